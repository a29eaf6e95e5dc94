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
		plain, keyed := []byte("http://a/x"), []byte("http://a/x hX-Tenant=1:b")

		v.mark("http://a/x")
		v.use(string(plain))
		if v.slots.Load() != nil {
			t.Error("room was taken though every key is a URI")
		}
		v.use(string(keyed))
		if !v.since(keyed).IsZero() {
			t.Error("invalidated before anything was said")
		}
		time.Sleep(time.Minute)
		v.mark("http://a/x")
		if got := v.since(keyed); !got.Equal(time.Now()) {
			t.Errorf("9111-4.4 the other keys of the URI are invalidated at %v, want now", got)
		}
		if !v.since(plain).IsZero() {
			t.Error("what is under the URI alone is removed, not told by its age")
		}
	})
}

// URIs that share a slot invalidate each other, but few do.
func TestInvalidationsOfOthers(t *testing.T) {
	var v invalidations
	v.init()
	v.use("http://a/ hX=1:y")
	for i := range 1000 {
		v.mark(fmt.Sprintf("http://a/changed/%d", i))
	}
	wrong := 0
	for i := range 1000 {
		if !v.since(fmt.Appendf(nil, "http://a/%d hX=1:y", i)).IsZero() {
			wrong++
		}
	}
	if wrong > 100 { // 1000/65536 of them is 15
		t.Errorf("%d of 1000 other URIs are invalidated as well", wrong)
	}
}
