package cachehandler

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestInvalidations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var v invalidations
		v.init()
		plain, keyed := []byte("http://a/x?b"), []byte("http://a/x?b hX-Tenant=1:b")
		ends := keyEnds{path: len("http://a/x"), query: len(plain)}

		if !v.since(keyed, ends).IsZero() || !v.sincePath(keyed, ends).IsZero() {
			t.Error("invalidated before anything was said")
		}
		time.Sleep(time.Minute)
		v.mark(plain, ends)
		if got := v.since(keyed, ends); !got.Equal(time.Now()) {
			t.Errorf("9111-4.4 the other keys of the URI are invalidated at %v, want now", got)
		}
		if !v.since(plain, ends).IsZero() {
			t.Error("what is under the URI alone is removed, not told by its age")
		}
		other := []byte("http://a/x hX-Tenant=1:b")
		ofPath := keyEnds{path: ends.path, query: ends.path}
		if !v.since(other, ofPath).IsZero() {
			t.Error("the URI that is the path alone is invalidated as well")
		}
		if got := v.sincePath(other, ofPath); !got.Equal(time.Now()) {
			t.Errorf("some URI of the path is invalidated at %v, want now", got)
		}
	})
}

// URIs that share a slot invalidate each other, but few do.
func TestInvalidationsOfOthers(t *testing.T) {
	var v invalidations
	v.init()
	endsOf := func(uri string) keyEnds { return keyEnds{path: len(uri), query: len(uri)} }
	for i := range 1000 {
		uri := fmt.Sprintf("http://a/changed/%d", i)
		v.mark([]byte(uri), endsOf(uri))
	}
	wrong := 0
	for i := range 1000 {
		uri := fmt.Sprintf("http://a/%d", i)
		if !v.since([]byte(uri+" hX=1:y"), endsOf(uri)).IsZero() {
			wrong++
		}
	}
	if wrong > 150 { // 2000/65536 of them is 31
		t.Errorf("%d of 1000 other URIs are invalidated as well", wrong)
	}
}
