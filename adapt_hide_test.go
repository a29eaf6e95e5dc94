package portico_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// hideTemplate surrounds the options of hide_origin in which there is a mistake.
const hideTemplate = ":8080 {\n\thide_origin {\n%s\n\t}\n\treverse_proxy app:8080\n}\n"

// TestHideMistakes holds every message about a wrong option of hide_origin, and
// that it names file, line and option. The line is the last one, unless another
// ends in "# here".
func TestHideMistakes(t *testing.T) {
	const file = "testdata/adapt/mistakes_hide_origin.txt"
	comment, mistakes := readMistakes(t, file)
	var b strings.Builder
	b.WriteString(comment)
	for _, m := range mistakes {
		block := strings.Join(m.block, "\n")
		got := adaptOutcome(t, fmt.Sprintf(hideTemplate, block))
		if strings.HasPrefix(got, "{") {
			got = "no error"
		}
		got = strings.TrimPrefix(got, "parsing caddyfile tokens for 'hide_origin': ")
		fmt.Fprintf(&b, "\n%s\n! %s\n", block, got)
		if *update {
			continue
		}
		if got != m.message {
			t.Errorf("%s\ngot:  %s\nwant: %s", block, got, m.message)
		}
		at := len(m.block) - 1
		for i, l := range m.block {
			if strings.HasSuffix(l, "# here") {
				at = i
			}
		}
		place := fmt.Sprintf(", at Caddyfile:%d", at+1+strings.Count(strings.Split(hideTemplate, "%s")[0], "\n"))
		if option := strings.Fields(m.block[at])[0]; !strings.HasSuffix(got, place) || !strings.Contains(got, option) {
			t.Errorf("%s\nthe error names no %q%s: %s", block, option, place, got)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
