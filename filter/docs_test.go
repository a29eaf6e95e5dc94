package filter

import (
	"os"
	"strings"
	"testing"

	"github.com/caddy-portico/portico/filter/bots"
	"github.com/caddy-portico/portico/filter/canonical"
	"github.com/caddy-portico/portico/filter/framing"
	"github.com/caddy-portico/portico/filter/limits"
	"github.com/caddy-portico/portico/filter/probes"
)

// Every word that logs and placeholders may give as reason or rule is in the
// documentation, and so is every option.
func TestDocsNameEveryWord(t *testing.T) {
	text, err := os.ReadFile("../docs/request_filter.md")
	if err != nil {
		t.Fatal(err)
	}
	words := append(bots.GroupNames(), bots.Unverified)
	for r := reasonNone + 1; r < reasons; r++ {
		words = append(words, r.String())
	}
	for e := limits.None + 1; e <= limits.JSONDepth; e++ {
		words = append(words, e.Name())
	}
	for d := framing.None + 1; d <= framing.Repeated; d++ {
		words = append(words, d.Name())
	}
	for d := canonical.None + 1; d <= canonical.LookAlike; d++ {
		words = append(words, d.Name())
	}
	for c := probes.None + 1; c <= probes.System; c++ {
		words = append(words, c.Name())
	}
	for option := range handlerOptions {
		words = append(words, option)
	}
	for _, word := range words {
		if !strings.Contains(string(text), "`"+word+"`") && !strings.Contains(string(text), "\n\t"+word+" ") && !strings.Contains(string(text), "\n\t"+word+"\n") {
			t.Errorf("docs/request_filter.md does not name %q", word)
		}
	}
	if len(words) < 60 {
		t.Errorf("there are %d words: has the way they are counted changed?", len(words))
	}
}
