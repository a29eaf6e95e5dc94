// Package storetest is the contract of store.Tier as tests: every tier runs it.
//
//	func TestTier(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) store.Tier { return memory.New(64 << 20) })
//	}
package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
	"github.com/caddy-portico/portico/cachehandler/store"
)

// Room is what an opened tier must be able to hold.
const Room = 32 << 20

// Run checks that the tiers open returns keep the contract of store.Tier. Each
// call of open returns an empty tier with a budget of at least Room, or none.
func Run(t *testing.T, open func(t *testing.T) store.Tier) {
	for _, c := range []struct {
		name string
		test func(*harness)
	}{
		{"empty", empty},
		{"round trip", roundTrip},
		{"filling objects are found", filling},
		{"9111-4.1 variants, newest first", newestFirst},
		{"settle drops what it supersedes", settle},
		{"settle keeps other Vary and newer", settleKeeps},
		{"settle of what is gone", settleGone},
		{"9111-4.3.4 replace shares the body", replace},
		{"replace of what is gone", replaceGone},
		{"9111-3.4 parts put together", parts},
		{"most variants", mostVariants},
		{"most variants keep a superseded one", mostVariantsSuperseded},
		{"put again", putAgain},
		{"remove one", removeOne},
		{"remove key", removeKey},
		{"tags", tags},
		{"tags of what replaces and is replaced", tagsReplaced},
		{"tags of what goes", tagsGone},
		{"remove tag", removeTag},
		{"remove tag while filling", removeTagFilling},
		{"tags during changes", tagsDuringChanges},
		{"peek", peek},
		{"abort leaves nothing", abortMidWrite},
		{"range", rangeAll},
		{"range stops and may change the tier", rangeStops},
		{"readers during overwrite", readersDuringOverwrite},
		{"keys are not kept", keyReused},
		{"budget", budget},
		{"close", closed},
		{"random operations", randomOperations},
	} {
		t.Run(c.name, func(t *testing.T) {
			tier := open(t)
			t.Cleanup(func() { _ = tier.Close() })
			c.test(&harness{T: t, tier: tier})
		})
	}
}

// harness is a tier whose errors end the test.
type harness struct {
	*testing.T
	tier store.Tier
}

func (h *harness) get(key string) []*store.Object {
	h.Helper()
	objects, err := h.tier.Get(h.Context(), []byte(key))
	if err != nil {
		h.Fatalf("Get(%q): %v", key, err)
	}
	return objects
}

func (h *harness) put(o *store.Object, maxVariants int) {
	h.Helper()
	if err := h.tier.Put(h.Context(), o, maxVariants); err != nil {
		h.Fatalf("Put(%s): %v", describe(o), err)
	}
}

func (h *harness) settle(o *store.Object) {
	h.Helper()
	if err := h.tier.Settle(h.Context(), o); err != nil {
		h.Fatalf("Settle(%s): %v", describe(o), err)
	}
}

func (h *harness) remove(o *store.Object) {
	h.Helper()
	if err := h.tier.Remove(h.Context(), o); err != nil {
		h.Fatalf("Remove(%s): %v", describe(o), err)
	}
}

func (h *harness) removeKey(key string) int {
	h.Helper()
	n, err := h.tier.RemoveKey(h.Context(), key)
	if err != nil {
		h.Fatalf("RemoveKey(%q): %v", key, err)
	}
	return n
}

func (h *harness) removeTag(tag string) int {
	h.Helper()
	n, err := h.tier.RemoveTag(h.Context(), tag)
	if err != nil {
		h.Fatalf("RemoveTag(%q): %v", tag, err)
	}
	return n
}

// wantTagged checks that the objects with a tag look like want, in any order.
func (h *harness) wantTagged(tag string, want ...*store.Object) {
	h.Helper()
	objects, err := h.tier.Tagged(h.Context(), tag)
	if err != nil {
		h.Fatalf("Tagged(%q): %v", tag, err)
	}
	got, wanted := describeAll(objects), describeAll(want)
	slices.Sort(got)
	slices.Sort(wanted)
	if !slices.Equal(got, wanted) {
		h.Errorf("Tagged(%q) = %v, want %v", tag, got, wanted)
	}
}

func (h *harness) replace(old, fresh *store.Object) bool {
	h.Helper()
	ok, err := h.tier.Replace(h.Context(), old, fresh)
	if err != nil {
		h.Fatalf("Replace(%s): %v", describe(old), err)
	}
	return ok
}

// wantKey checks that the key holds objects that look like want, in this order.
func (h *harness) wantKey(key string, want ...*store.Object) {
	h.Helper()
	got := h.get(key)
	same := len(got) == len(want)
	for i := 0; same && i < len(got); i++ {
		same = describe(got[i]) == describe(want[i])
	}
	if !same {
		h.Errorf("Get(%q) = %v, want %v", key, describeAll(got), describeAll(want))
	}
}

// wantBody checks that o's body, read through a Reader, is exactly p.
func (h *harness) wantBody(o *store.Object, p []byte) {
	h.Helper()
	got, err := readAll(h.Context(), o.Body)
	if err != nil || string(got) != string(p) {
		h.Errorf("body of %s: %d bytes and %v, want the %d bytes stored", describe(o), len(got), err, len(p))
	}
}

func readAll(ctx context.Context, b *store.Body) (all []byte, err error) {
	r, err := b.Open(0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		p, err := r.Next(ctx, 0, nil)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, p...)
	}
}

// object returns an object that is told from others by its ETag.
func object(key, variant, etag string, body *store.Body) *store.Object {
	o := &store.Object{
		Key: key,
		Head: &httpcache.Stored{
			Status:  http.StatusOK,
			Fields:  httpcache.FreezeFields(http.Header{"Etag": {etag}, "Content-Type": {"text/plain"}}),
			ETag:    etag,
			Variant: variant,
		},
		Body: body,
	}
	if variant != "" {
		o.Head.Vary = []string{"Accept-Language"}
	}
	return o
}

// complete returns an object with n random bytes.
func complete(key, variant, etag string, n int) (*store.Object, []byte) {
	p := random(n)
	return object(key, variant, etag, store.BodyOf(p)), p
}

func random(n int) []byte {
	p := make([]byte, n)
	rng := rand.New(rand.NewPCG(uint64(n), 7))
	for i := range p {
		p[i] = byte(rng.Uint32())
	}
	return p
}

// describe is what tells objects apart, whether or not a tier returns the same
// pointers.
func describe(o *store.Object) string {
	return fmt.Sprintf("%s %q %s", o.Key, o.Head.Variant, o.Head.ETag)
}

func describeAll(objects []*store.Object) (all []string) {
	for _, o := range objects {
		all = append(all, describe(o))
	}
	return all
}
