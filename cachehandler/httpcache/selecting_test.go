package httpcache

import (
	"net/http"
	"slices"
	"testing"
)

// A name that is not spelled as net/http has it would never be found.
func TestNamesOfSelectingFields(t *testing.T) {
	seen := make(map[string]bool)
	for _, name := range slices.Concat(ofTargets, ofFragments, ofHaste, ofNegotiation, ofCredentials, ofUserAgents, ofIdentities[:]) {
		if canonical := http.CanonicalHeaderKey(name); canonical != name {
			t.Errorf("%s is %s to net/http", name, canonical)
		}
		if seen[name] {
			t.Errorf("%s stands in two lists", name)
		}
		seen[name] = true
	}
}
