package cachehandler

import (
	"net/http"
	"testing"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
)

// A name that is not spelled as net/http has it would never be found, and one that
// stands in two lists would be what the map happens to say.
func TestNamesOfUnkeyedFields(t *testing.T) {
	seen := make(map[string]bool)
	for _, names := range [][]string{overriding, ofProxies, ofNobody} {
		for _, name := range names {
			if canonical := http.CanonicalHeaderKey(name); canonical != name {
				t.Errorf("%s is %s to net/http", name, canonical)
			}
			if seen[name] || httpcache.IsSelecting(name) {
				t.Errorf("%s stands in two lists", name)
			}
			seen[name] = true
		}
	}
}
