package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/caddy-portico/portico/cachehandler/store"
)

// readersDuringOverwrite: a key is overwritten again and again while many read
// it. Every body says on each line which version it is; no reader may see two.
func readersDuringOverwrite(h *harness) {
	const versions, lines = 30, 3000
	first := versioned(0)
	fill(h, first.Body, lineOf(0, lines), 8<<10)
	first.Body.Complete()
	h.put(first, 10)

	ctx, stop := context.WithCancel(h.Context())
	var readers sync.WaitGroup
	for range 6 {
		readers.Go(func() {
			for ctx.Err() == nil {
				h.wantOneVersion(lines)
			}
		})
	}
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for v := 1 + w; v < versions; v += 2 {
				o := versioned(v)
				h.put(o, 10)
				fill(h, o.Body, lineOf(v, lines), 8<<10)
				o.Body.Complete()
				h.settle(o)
			}
		})
	}
	writers.Wait()
	stop()
	readers.Wait()
}

func versioned(v int) *store.Object {
	return object("https://a/", "", fmt.Sprintf(`"%d"`, v), store.NewBody(-1))
}

func lineOf(v, lines int) (p []byte) {
	for range lines {
		p = fmt.Appendf(p, "%06d\n", v)
	}
	return p
}

func (h *harness) wantOneVersion(lines int) {
	objects := h.get("https://a/")
	if len(objects) == 0 {
		h.Error("nothing stored during an overwrite")
		return
	}
	o := objects[rand.IntN(len(objects))]
	got, err := readAll(h.Context(), o.Body)
	if err != nil {
		h.Errorf("reading %s: %v", describe(o), err)
		return
	}
	var v int
	_, _ = fmt.Sscanf(o.Head.ETag, `"%d"`, &v)
	if string(got) != string(lineOf(v, lines)) {
		h.Errorf("%s has the body of another version, or a part", describe(o))
	}
}

// randomOperations compares the tier with a map after every step. The objects
// are small, so that nothing is evicted.
func randomOperations(h *harness) {
	rng := rand.New(rand.NewPCG(1, 2))
	twin := twin{}
	for step := range 3000 {
		key := fmt.Sprintf("https://a/%d", rng.IntN(20))
		some := pick(rng, twin[key])
		switch op := rng.IntN(11); {
		case op < 5:
			maxVariants := 1 + rng.IntN(4)
			o, _ := complete(key, fmt.Sprint(rng.IntN(5)), fmt.Sprintf(`"%d"`, step), rng.IntN(3000))
			o.Tags = someTags(rng)
			h.put(o, maxVariants)
			twin.put(o, maxVariants)
		case op < 7 && some != nil:
			h.settle(some)
			twin.settle(some)
		case op < 8 && some != nil:
			fresh := object(key, some.Head.Variant, fmt.Sprintf(`"%d"`, step), some.Body)
			fresh.Tags = someTags(rng)
			if !h.replace(some, fresh) {
				h.Fatalf("step %d: Replace(%s) = false", step, describe(some))
			}
			twin[key][slices.Index(twin[key], some)] = fresh
		case op < 9 && some != nil:
			h.remove(some)
			twin[key] = slices.DeleteFunc(twin[key], func(o *store.Object) bool { return o == some })
		case op == 9:
			if n := h.removeKey(key); n != len(twin[key]) {
				h.Fatalf("step %d: RemoveKey = %d, want %d", step, n, len(twin[key]))
			}
			delete(twin, key)
		case op == 10 && rng.IntN(5) == 0:
			tag := someTag(rng)
			if n, want := h.removeTag(tag), twin.removeTag(tag); n != want {
				h.Fatalf("step %d: RemoveTag = %d, want %d", step, n, want)
			}
		}
		tag := someTag(rng)
		h.wantTagged(tag, twin.tagged(tag)...)
		h.wantKey(key, twin[key]...)
		if got := h.tier.Stats().Objects; h.Failed() || got != twin.objects() {
			h.Fatalf("step %d: %d objects, want %d", step, got, twin.objects())
		}
	}
}

// twin is a tier as its contract says it, with no budget.
type twin map[string][]*store.Object

func (t twin) put(o *store.Object, maxVariants int) {
	variants := map[string]bool{}
	var kept []*store.Object
	for _, old := range append([]*store.Object{o}, t[o.Key]...) {
		if variants[old.Head.Variant] || len(variants) < maxVariants {
			variants[old.Head.Variant] = true
			kept = append(kept, old)
		}
	}
	t[o.Key] = kept
}

func (t twin) settle(o *store.Object) {
	at := slices.Index(t[o.Key], o)
	var kept []*store.Object
	for i, old := range t[o.Key] {
		if i <= at || old.Head.Variant != o.Head.Variant || !slices.Equal(old.Head.Vary, o.Head.Vary) {
			kept = append(kept, old)
		}
	}
	t[o.Key] = kept
}

func (t twin) tagged(tag string) (all []*store.Object) {
	for _, objects := range t {
		for _, o := range objects {
			if slices.Contains(o.Tags, tag) {
				all = append(all, o)
			}
		}
	}
	return all
}

func (t twin) removeTag(tag string) int {
	gone := t.tagged(tag)
	for key, objects := range t {
		t[key] = slices.DeleteFunc(objects, func(o *store.Object) bool { return slices.Contains(gone, o) })
	}
	return len(gone)
}

func someTag(rng *rand.Rand) string { return fmt.Sprint("tag", rng.IntN(6)) }

// someTags returns up to three different tags.
func someTags(rng *rand.Rand) (tags []string) {
	for range rng.IntN(4) {
		if tag := someTag(rng); !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	return tags
}

func (t twin) objects() (n int64) {
	for _, objects := range t {
		n += int64(len(objects))
	}
	return n
}

func pick(rng *rand.Rand, objects []*store.Object) *store.Object {
	if len(objects) == 0 {
		return nil
	}
	return objects[rng.IntN(len(objects))]
}
