package cachehandler

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
)

func searchVariation(field string) httpcache.Variation {
	return httpcache.ParseNoVarySearch([]string{field})
}

func TestVariations(t *testing.T) {
	var vs variations
	vs.init()
	path := []byte("http://a/p")
	if got := vs.of(path); got != nil {
		t.Fatalf("of nothing = %v", got)
	}
	field := func(i int) httpcache.Variation { return searchVariation(fmt.Sprintf(`params=("p%d")`, i)) }
	first := vs.learn(path, field(0))
	if again := vs.learn(path, field(0)); again.number != first.number {
		t.Error("the same field of the same path has another number")
	}
	for i := range maxVariations {
		vs.learn(path, field(i))
	}
	if again := vs.learn(path, field(0)); again.number != first.number {
		t.Error("a field has another number, though none was displaced")
	}
	if list := vs.of(path); len(list) != maxVariations || list[0].number != first.number {
		t.Errorf("%d variations, %v in front; want %d, the last one learnt", len(list), list[0], maxVariations)
	}
	for i := 1; i <= maxVariations; i++ {
		vs.learn(path, field(i))
	}
	if list := vs.of(path); len(list) != maxVariations {
		t.Errorf("%d variations, want no more than %d", len(list), maxVariations)
	}
	if again := vs.learn(path, field(0)); again.number == first.number {
		t.Error("a displaced field has its old number: what an invalidation did not find would be back")
	}
}

// TestVariationsOfAnotherProcess: what a store has from before a restart may have
// missed an invalidation, so it is not found by the same field again.
func TestVariationsOfAnotherProcess(t *testing.T) {
	var before, after variations
	before.init()
	after.init()
	path, v := []byte("http://a/"), searchVariation(`params=("u")`)
	if before.learn(path, v).number == after.learn(path, v).number {
		t.Error("the number is the same")
	}
}

func TestVariationsAtOnce(t *testing.T) {
	var vs variations
	vs.init()
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 500 {
				path := fmt.Appendf(nil, "http://a/%d", i%3)
				v := vs.learn(path, searchVariation(fmt.Sprintf(`params=("p%d")`, (i+worker)%6)))
				for _, other := range vs.of(path) {
					if other.number == v.number && !other.Equal(v.Variation) {
						t.Error("two fields have one number")
					}
				}
			}
		})
	}
	wg.Wait()
}

// FuzzVariationKey: the key of a response leads to it for exactly those requests
// that its own field says it is for, whatever the key options do beside.
func FuzzVariationKey(f *testing.F) {
	f.Add(`params=("a")`, "/p", "a=1&b=2", "/p", "b=2", false)
	f.Add(`key-order`, "/p", "b=2&a=1", "/p", "a=1&b=2", true)
	f.Add(`except=("a")`, "/p", "a=1", "/p?a=1", "", true)
	f.Add(`params=("a")`, "/p", "a=1;b=2", "/p", "", false)
	f.Add(`except=()`, "/p", "\x1fn1?", "/p", "x", false)
	f.Fuzz(func(t *testing.T, field, pathA, queryA, pathB, queryB string, extras bool) {
		v := variation{Variation: searchVariation(field), number: 1}
		if v.IsDefault() {
			return
		}
		key := func(path, query string) ([]byte, []byte) {
			uri, ends := []byte("http://a"+path), keyEnds{path: len("http://a" + path)}
			if query != "" {
				uri = append(append(uri, '?'), query...)
			}
			ends.query = len(uri)
			if extras {
				uri = appendExtra(uri, 'h', "X", "1")
			}
			return uri, v.appendKey(nil, uri, ends)
		}
		for _, s := range []string{pathA, queryA, pathB, queryB} {
			for i := range len(s) {
				if s[i] < ' ' {
					return // no URI has any
				}
			}
		}
		uriA, a := key(pathA, queryA)
		_, b := key(pathB, queryB)
		same := pathA == pathB && string(v.AppendQuery(nil, queryA)) == string(v.AppendQuery(nil, queryB))
		if strings.Contains(queryA+queryB, ";") { // another parameter to some
			same = pathA == pathB && queryA == queryB
		}
		if got := string(a) == string(b); got != same {
			t.Errorf("keys %q and %q, but equivalent: %v", a, b, same)
		}
		if string(uriA) == string(b) {
			t.Errorf("%q is the key of a URI as well", b)
		}
	})
}
