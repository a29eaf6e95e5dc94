package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7 + i>>8 + i>>16)
	}
	return p
}

// fill appends p in chunks.
func fill(t *testing.T, b *Body, p []byte, chunk int) {
	t.Helper()
	for part := range slices.Chunk(p, chunk) {
		if err := b.Append(t.Context(), part); err != nil {
			t.Fatalf("Append: %v", err)
		}
	}
}

func open(t *testing.T, b *Body, from int64) *Reader {
	t.Helper()
	r, err := b.Open(from)
	if err != nil {
		t.Fatalf("Open(%d): %v", from, err)
	}
	return r
}

// rest reads until an error, which is nil for io.EOF.
func rest(ctx context.Context, r *Reader) (all []byte, err error) {
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

func segmentSizes(b *Body) (sizes []int) {
	segments := b.mu.kept
	if t := b.table.Load(); t != nil {
		segments = t.segments
	}
	for _, s := range segments {
		sizes = append(sizes, len(s.buf))
	}
	return sizes
}

func TestSegmentSizes(t *testing.T) {
	const k, m = 1 << 10, 1 << 20
	for _, c := range []struct {
		name              string
		announced         int64
		chunk, n          int
		filling, complete []int
	}{
		{"nothing", -1, 1, 0, nil, nil},
		{"announced nothing", 0, 1, 0, nil, nil},
		{"announced, small", 100, 30, 100, []int{100}, []int{100}},
		{"announced, one exact segment", 200_000, 32 * k, 200_000, []int{200_000}, []int{200_000}},
		{"announced, two segments", 300_000, 32 * k, 300_000, []int{256 * k, 300_000 - 256*k}, []int{256 * k, 300_000 - 256*k}},
		{"announced, large", 3 * m, 32 * k, 3 * m, []int{256 * k, m, m, 768 * k}, []int{256 * k, m, m, 768 * k}},
		{"announced too much", 1 << 40, 10, 10, []int{256 * k}, []int{10}},
		{"announced too much, a little", 100, 10, 90, []int{100}, []int{100}},
		{"announced too little", 10, 100, 5000, []int{10, 4 * k, 4106}, []int{5000}},
		{"unknown, one small chunk", -1, 1200, 1200, []int{4 * k}, []int{1200}},
		{"unknown, one large chunk", -1, 20_000, 20_000, []int{20_000}, []int{20_000}},
		{"unknown, a huge chunk", -1, m, 768 * k, []int{256 * k, 256 * k, 256 * k}, []int{256 * k, 256 * k, 256 * k}},
		{"unknown, doubling", -1, 4 * k, 100 * k, []int{4 * k, 4 * k, 8 * k, 16 * k, 32 * k, 64 * k}, []int{100 * k}},
		{
			"unknown, large, wasteful end", -1, 256 * k, 2*m + 100,
			[]int{256 * k, 256 * k, 256 * k, 256 * k, m, m},
			[]int{256 * k, 256 * k, 256 * k, 256 * k, m, 100},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, p := NewBody(c.announced), pattern(c.n)
			if b.Held() != 0 {
				t.Errorf("Held = %d before the first byte", b.Held())
			}
			fill(t, b, p, c.chunk)
			r := open(t, b, 0)
			first, _ := r.Next(t.Context(), 0, func() { b.Complete() })
			if d := cmp.Diff(c.filling, segmentSizes(b)); d != "" && c.n > 0 {
				t.Errorf("segments while filling (-want +got):\n%s", d)
			}
			b.Complete()
			if len(b.mu.readers) > 0 {
				t.Error("a complete body keeps a list of its readers")
			}
			if d := cmp.Diff(c.complete, segmentSizes(b)); d != "" {
				t.Errorf("segments when complete (-want +got):\n%s", d)
			}
			held := int64(0)
			for _, n := range c.complete {
				held += int64(n)
			}
			if b.Held() != held {
				t.Errorf("Held = %d, want %d", b.Held(), held)
			}
			// The reader was amid the segments that are replaced.
			if all, err := rest(t.Context(), r); err != nil || !bytes.Equal(append(first, all...), p) {
				t.Errorf("read %d bytes and %v, want the %d appended", len(first)+len(all), err, c.n)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	filling, complete, aborted := NewBody(-1), BodyOf(pattern(100)), NewBody(-1)
	empty, detached, ended := NewBody(-1), NewBody(-1), NewBody(-1)
	empty.Complete()
	fill(t, filling, pattern(100), 100)
	fill(t, aborted, pattern(100), 100)
	aborted.Abort(nil)
	for _, b := range []*Body{detached, ended} {
		keep := open(t, b, 5000)
		defer keep.Close()
		fill(t, b, pattern(8192), 4096) // two segments
		b.Detach(1 << 20)               // drops the first
	}
	ended.Complete()

	for _, c := range []struct {
		name string
		body *Body
		from int64
		want error
	}{
		{"filling, start", filling, 0, nil},
		{"filling, what has not come yet", filling, 200, nil},
		{"filling, negative", filling, -1, errBeyond},
		{"complete, start", complete, 0, nil},
		{"complete, end", complete, 100, nil},
		{"complete, beyond the end", complete, 101, errBeyond},
		{"complete and empty", empty, 0, nil},
		{"complete and empty, beyond the end", empty, 1, errBeyond},
		{"aborted, start", aborted, 0, ErrAborted},
		{"detached, dropped", detached, 4095, ErrNotHeld},
		{"detached, held", detached, 4096, nil},
		{"detached and complete, dropped", ended, 4095, ErrNotHeld},
		{"detached and complete, held", ended, 4096, nil},
		{"detached and complete, beyond the end", ended, 8193, errBeyond},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := c.body.Open(c.from)
			if !errors.Is(err, c.want) || (err == nil) != (r != nil) {
				t.Fatalf("Open(%d) = %v, %v, want error %v", c.from, r, err, c.want)
			}
			if r == nil {
				return
			}
			defer r.Close()
			if n, ended := c.body.Length(); ended {
				if p, err := rest(t.Context(), r); err != nil || int64(len(p)) != n-c.from {
					t.Errorf("read %d bytes and %v, want %d", len(p), err, n-c.from)
				}
			}
		})
	}
}

// TestAheadOfAShorterBody: a reader waits for bytes that then never come.
func TestAheadOfAShorterBody(t *testing.T) {
	b := NewBody(-1)
	r := open(t, b, 200)
	fill(t, b, pattern(100), 100)
	_, err := r.Next(t.Context(), 0, b.Complete)
	if err == nil || errors.Is(err, io.EOF) {
		t.Errorf("Next beyond the end: %v, want an error other than io.EOF", err)
	}
}

func TestAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p := NewBody(1000), pattern(600)
		fill(t, b, p, 600)
		cause := errors.New("connection reset")
		for _, from := range []int64{0, 599, 600, 700} {
			go func() {
				r := open(t, b, from)
				defer r.Close()
				got, err := rest(t.Context(), r)
				if !errors.Is(err, ErrAborted) || !errors.Is(err, cause) || errors.Is(err, ErrLagging) {
					t.Errorf("from %d: error %v, want ErrAborted for %v", from, err, cause)
				}
				if want := p[min(from, 600):]; !bytes.Equal(got, want) {
					t.Errorf("from %d: %d bytes before the error, want %d", from, len(got), len(want))
				}
			}()
		}
		late := open(t, b, 0)
		synctest.Wait()
		b.Abort(cause)
		b.Abort(errors.New("another"))
		b.Complete() // too late
		synctest.Wait()

		if got, err := rest(t.Context(), late); !errors.Is(err, cause) || !bytes.Equal(got, p) {
			t.Errorf("a reader that comes after the abort: %d bytes, %v", len(got), err)
		}
		if err := b.Append(t.Context(), p); !errors.Is(err, ErrAborted) {
			t.Errorf("Append after Abort: %v", err)
		}
		if n, complete := b.Length(); n != 600 || complete {
			t.Errorf("Length = %d, %v", n, complete)
		}
		if _, ok := b.Slices(nil, 0, 600); ok {
			t.Error("Slices of an aborted body")
		}
	})
}

func TestEnded(t *testing.T) {
	b := NewBody(10)
	fill(t, b, pattern(10), 10)
	b.Complete()
	b.Complete()
	b.Abort(errors.New("too late"))
	b.Detach(0)
	if err := b.Append(t.Context(), []byte("x")); !errors.Is(err, errComplete) {
		t.Errorf("Append after Complete: %v", err)
	}
	if b.Detached() {
		t.Error("a complete body was detached")
	}
	r := open(t, b, 0)
	if got, err := rest(t.Context(), r); err != nil || !bytes.Equal(got, pattern(10)) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if _, err := r.Next(t.Context(), 0, nil); !errors.Is(err, io.EOF) {
		t.Errorf("Next at the end, again: %v", err)
	}
	r.Close()
	r.Close()
	if _, err := r.Next(t.Context(), 0, nil); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("Next after Close: %v", err)
	}
}

func TestSlices(t *testing.T) {
	p := pattern(2 << 20)
	b := NewBody(int64(len(p)))
	fill(t, b, p, 100_000)
	if dst, ok := b.Slices(nil, 0, 1); ok || dst != nil {
		t.Error("Slices of a body that is not complete")
	}
	b.Complete()
	for _, c := range []struct {
		name    string
		from, n int64
		slices  int
		ok      bool
	}{
		{"all", 0, 2 << 20, 3, true},
		{"none", 0, 0, 0, true},
		{"none, at the end", 2 << 20, 0, 0, true},
		{"in one segment", 10, 100, 1, true},
		{"to the end of a segment", 0, 256 << 10, 1, true},
		{"over the end of a segment", 1, 256 << 10, 2, true},
		{"too long", 1, 2 << 20, 0, false},
		{"beyond the end", 2<<20 + 1, 0, 0, false},
		{"negative start", -1, 2, 0, false},
		{"negative length", 1, -1, 0, false},
		{"overflow", 1, 1<<63 - 1, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dst := [][]byte{[]byte("before")}
			got, ok := b.Slices(dst, c.from, c.n)
			if ok != c.ok || len(got) != 1+c.slices || string(got[0]) != "before" {
				t.Fatalf("Slices(%d, %d) = %d slices, %v, want %d, %v", c.from, c.n, len(got)-1, ok, c.slices, c.ok)
			}
			if ok && !bytes.Equal(bytes.Join(got[1:], nil), p[c.from:c.from+c.n]) {
				t.Errorf("Slices(%d, %d) gives other bytes", c.from, c.n)
			}
		})
	}
}

// gauge sums up what OnGrow is told, and holds it to its promises.
type gauge struct {
	*testing.T
	body *Body
	sum  int64
}

func (g *gauge) count(delta int64) {
	if !g.body.mu.TryLock() {
		g.Fatal("OnGrow is called with the lock held")
	}
	g.body.mu.Unlock()
	g.sum += delta
}

func (g *gauge) check(step string) {
	g.Helper()
	if g.sum != g.body.Held() {
		g.Errorf("%s: OnGrow was told %d, Held = %d", step, g.sum, g.body.Held())
	}
}

func TestOnGrow(t *testing.T) {
	b := NewBody(-1)
	former, g := &gauge{T: t, body: b}, &gauge{T: t, body: b}
	fill(t, b, pattern(10_000), 1000)
	b.OnGrow(former.count)
	former.check("registered late")
	fill(t, b, pattern(10_000), 1000)
	former.check("filling")
	b.OnGrow(g.count)
	g.check("taken over")
	fill(t, b, pattern(700_000), 1000)
	g.check("filled")
	r := open(t, b, 0)
	slow := open(t, b, 0)
	b.Detach(1000)
	g.check("detached")
	for range 5 {
		if _, err := r.Next(t.Context(), 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	g.check("read by one")
	slow.Close()
	g.check("the slow one left")
	b.Complete()
	if _, err := rest(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	g.check("read to the end")
	if former.sum != 0 || b.Held() != 0 {
		t.Errorf("the former one was told %d, Held = %d at the end, want 0", former.sum, b.Held())
	}
}

func TestOnGrowOfALyingLength(t *testing.T) {
	b := NewBody(1 << 20)
	g := &gauge{T: t, body: b}
	b.OnGrow(g.count)
	g.check("empty")
	fill(t, b, pattern(100), 1)
	g.check("filling")
	b.Complete()
	g.check("compacted")
	b.OnGrow(nil)
	if g.sum != 0 {
		t.Errorf("OnGrow was told %d after it let go", g.sum)
	}
}
