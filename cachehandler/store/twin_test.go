package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// FuzzBody compares a body, step by step, with a bytes.Buffer: whatever is
// appended, opened, read, closed and detached, readers get the bytes of the
// buffer, the filler waits exactly for those more than a window behind, those
// who exhaust its patience are given up if others are nearer and else spared,
// and Held is what OnGrow was told.
func FuzzBody(f *testing.F) {
	f.Add([]byte("\x00\x80\xff\x20\x30\x41\x52\x63\x74\x85\x86"), int64(-1), uint8(0))
	f.Add([]byte("\x01\xf0\x11\xf1\x20\x30\x40\x50"), int64(4000), uint8(1))
	f.Add([]byte("\xf0\xf0\xf0\x11\x21\x31\xf0\x41\xf2"), int64(1<<40), uint8(2))
	f.Add([]byte("\x80\x80\x80\x96\xfa\xfa\xfa\x70\xfa\x93\xfa\x8f\x70\xfa\x93\xfa\xfa"), int64(-1), uint8(0))
	f.Add([]byte("\x80\x80\xfc\x9c\xfa\x93\x9f\xfd\x93\x94\xfa\x61\x93\xfa\xfa"), int64(-1), uint8(1))
	f.Add([]byte("\x80\xfa\x94\xfa\x93\xfa\x8f\xfa\xfa"), int64(-1), uint8(0))         // alone, then another opens
	f.Add([]byte("\x80\x80\xfa\x94\xfa\x93\xfa\x70\xfa\x70\xfa"), int64(-1), uint8(1)) // two, then one catches up
	f.Fuzz(func(t *testing.T, script []byte, announced int64, ending uint8) {
		if len(script) > 200 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			s := &session{T: t, body: NewBody(announced), window: -1}
			var told int64
			s.body.OnGrow(func(delta int64) { told += delta })
			for _, step := range script {
				s.step(step>>4, int(step&15))
				if told != s.body.Held() {
					t.Fatalf("OnGrow was told %d, Held = %d", told, s.body.Held())
				}
			}
			s.end(ending)
			if told != s.body.Held() {
				t.Fatalf("OnGrow was told %d, Held = %d", told, s.body.Held())
			}
		})
	})
}

// session is a body, its twin and the readers of both. It never waits.
type session struct {
	*testing.T
	body    *Body
	twin    bytes.Buffer
	window  int // of the detached body, else -1
	readers []*place
	opened  bool
}

// place is a reader, where it is in the twin, and where and since when the
// filler has been seen to wait for it.
type place struct {
	*Reader
	at, heldAt int
	since      time.Time
}

func (s *session) step(op byte, arg int) {
	switch {
	case op >= 10:
		s.append(pattern(1 << arg << 2))
	case op == 9 && arg < 4:
		time.Sleep(time.Duration(1+arg) * patience / 4)
	case op == 9:
		s.window = 1 << arg
		s.body.Detach(int64(s.window))
	case op == 8:
		s.open(s.twin.Len() * arg / 15)
	case len(s.readers) == 0:
	case op == 0:
		r := s.readers[arg%len(s.readers)]
		r.Close()
		s.remove(r)
	default:
		if r := s.readers[arg%len(s.readers)]; r.at < s.twin.Len() {
			s.next(r, int64(1)<<(2*op))
		}
	}
}

func (s *session) open(from int) {
	r, err := s.body.Open(int64(from))
	if errors.Is(err, ErrNotHeld) && s.window >= 0 && from < s.slowest() {
		return
	}
	if err != nil {
		s.Fatalf("Open(%d): %v", from, err)
	}
	s.readers = append(s.readers, &place{Reader: r, at: from})
	s.opened = true
}

func (s *session) remove(r *place) {
	s.readers = slices.DeleteFunc(s.readers, func(p *place) bool { return p == r })
}

// slowest is where the slowest reader is.
func (s *session) slowest() int {
	slowest := s.twin.Len()
	if !s.opened {
		slowest = 0
	}
	for _, r := range s.readers {
		slowest = min(slowest, r.at)
	}
	return slowest
}

// append appends what the body takes without waiting.
func (s *session) append(p []byte) {
	if s.window < 0 {
		fill(s.T, s.body, p, 1<<14)
		s.twin.Write(p)
		return
	}
	lagging := s.lagging()
	before := int64(s.twin.Len())
	err := s.body.Append(ended(s.T), p)
	for _, r := range lagging {
		if _, err := r.Next(s.Context(), 0, nil); !errors.Is(err, ErrLagging) {
			s.Fatalf("Next = %v, want ErrLagging", err)
		}
		s.remove(r)
	}
	was := s.twin.Len() - s.slowest()
	size, _ := s.body.Length()
	s.twin.Write(p[:size-before])
	s.checkAppended(int(size-before), len(p), was, err)
	s.watch(size > before, err != nil)
}

// lagging are those whom the filler gives up when it looks now.
func (s *session) lagging() (lagging []*place) {
	others := false
	for _, r := range s.readers {
		switch {
		case !s.waitsFor(r):
			others = true
		case r.heldAt == r.at && !r.since.IsZero() && time.Since(r.since) >= patience:
			lagging = append(lagging, r)
		}
	}
	if !others {
		return nil
	}
	return lagging
}

// checkAppended judges what Append of n bytes did when the filler was so far
// before the slowest reader.
func (s *session) checkAppended(appended, n, was int, err error) {
	behind := s.twin.Len() - s.slowest()
	want, ok := error(nil), appended == n
	switch {
	case s.opened && len(s.readers) == 0:
		want, ok = ErrNoReaders, appended == 0
	case was > s.window:
		want, ok = context.Canceled, appended == 0
	case behind > s.window && appended < n:
		want, ok = context.Canceled, appended > 0
	}
	if !errors.Is(err, want) || !ok {
		s.Fatalf("Append of %d took %d and returned %v with the slowest %d behind, want %v", n, appended, err, was, want)
	}
}

func (s *session) waitsFor(r *place) bool { return s.twin.Len()-r.at > s.window }

// watch notes for whom the filler waits now. If it went on before, it waited
// for nobody then.
func (s *session) watch(wentOn, waits bool) {
	for _, r := range s.readers {
		if wentOn || !s.waitsFor(r) {
			r.since = time.Time{}
		}
		if waits && s.waitsFor(r) && (r.since.IsZero() || r.heldAt != r.at) {
			r.heldAt, r.since = r.at, time.Now()
		}
	}
}

func (s *session) next(r *place, max int64) {
	s.Helper()
	got, err := r.Next(s.Context(), max, func() { s.Fatal("waits though there are bytes") })
	if err != nil || len(got) == 0 || int64(len(got)) > max || s.window >= 0 && len(got) > largestSip {
		s.Fatalf("Next(max %d) at %d of %d = %d bytes, %v", max, r.at, s.twin.Len(), len(got), err)
	}
	if !bytes.Equal(got, s.twin.Bytes()[r.at:][:len(got)]) {
		s.Fatalf("other bytes at %d", r.at)
	}
	r.at += len(got)
}

// end ends the body one way or another and lets all readers come to their ends.
func (s *session) end(how uint8) {
	want := io.EOF
	switch how % 3 {
	case 0:
		s.body.Complete()
		all, ok := s.body.Slices(nil, 0, int64(s.twin.Len()))
		if kept := s.window < 0; ok != kept || kept && !bytes.Equal(bytes.Join(all, nil), s.twin.Bytes()) {
			s.Fatalf("Slices of all = %v, or other bytes", ok)
		}
	case 1:
		s.body.Abort(nil)
		want = ErrAborted
	case 2:
		s.window = 1
		s.body.Detach(1)
		s.body.Complete()
	}
	for _, r := range s.readers {
		for r.at < s.twin.Len() {
			s.next(r, 1<<20)
		}
		if _, err := r.Next(s.Context(), 0, nil); !errors.Is(err, want) {
			s.Fatalf("Next at the end = %v, want %v", err, want)
		}
		r.Close()
	}
	if s.window >= 0 && how%3 != 1 && s.body.Held() != 0 && s.twin.Len() > 0 && len(s.readers) > 0 {
		s.Fatalf("Held = %d after all is read", s.body.Held())
	}
}

// TestConcurrentReaders: readers come and go at random offsets while a body
// fills, is detached in some rounds and ends in one of two ways.
func TestConcurrentReaders(t *testing.T) {
	for round := range 25 {
		synctest.Test(t, func(t *testing.T) { concurrentRound(t, uint64(round)) })
	}
}

func concurrentRound(t *testing.T, round uint64) {
	rng := rand.New(rand.NewPCG(round, 1))
	p := pattern(1 + rng.IntN(2<<20))
	announced := []int64{-1, int64(len(p)), 1 << 40, 100}[rng.IntN(4)]
	abort, detach := rng.IntN(4) == 0, rng.IntN(3) == 0
	b := NewBody(announced)
	held, _ := accounted(b)

	var readers sync.WaitGroup
	anchor := open(t, b, 0) // so that a detached body has a reader
	readers.Go(func() { checkReader(t, anchor, p, 0, abort) })
	for i := range 20 {
		rng := rand.New(rand.NewPCG(round, uint64(2+i)))
		readers.Go(func() {
			time.Sleep(time.Duration(rng.IntN(100)) * time.Millisecond)
			from := rng.Int64N(int64(len(p)))
			if r, err := b.Open(from); err == nil {
				checkReader(t, r, p, from, abort)
			} else if !abort && !detach {
				t.Errorf("Open(%d): %v", from, err)
			}
		})
	}
	for at := 0; at < len(p); {
		n := min(1+rng.IntN(60_000), len(p)-at)
		if err := b.Append(t.Context(), p[at:at+n]); err != nil {
			t.Errorf("Append: %v", err)
		}
		at += n
		if detach && at > len(p)/2 {
			b.Detach(100_000)
		}
		time.Sleep(time.Duration(rng.IntN(3)) * time.Millisecond)
	}
	if abort {
		b.Abort(nil)
	} else {
		b.Complete()
	}
	readers.Wait()
	if held() != b.Held() {
		t.Errorf("OnGrow was told %d, Held = %d", held(), b.Held())
	}
	if detach && !abort && b.Held() != 0 {
		t.Errorf("Held = %d after all readers are through", b.Held())
	}
}

// accounted sums up what OnGrow is told, and notes the most it came to.
func accounted(b *Body) (held, most func() int64) {
	var mu sync.Mutex
	var sum, top int64
	b.OnGrow(func(delta int64) {
		mu.Lock()
		defer mu.Unlock()
		sum += delta
		top = max(top, sum)
	})
	locked := func(n *int64) func() int64 {
		return func() int64 {
			mu.Lock()
			defer mu.Unlock()
			return *n
		}
	}
	return locked(&sum), locked(&top)
}

func checkReader(t *testing.T, r *Reader, p []byte, from int64, abort bool) {
	defer r.Close()
	got, err := rest(t.Context(), r)
	if !bytes.HasPrefix(p[from:], got) {
		t.Errorf("reader from %d: other bytes", from)
	}
	switch whole := len(got) == len(p)-int(from); {
	case abort && whole && errors.Is(err, ErrAborted):
	case !abort && whole && err == nil:
	default:
		t.Errorf("reader from %d: %d bytes of %d and %v", from, len(got), len(p)-int(from), err)
	}
}

func TestAllocs(t *testing.T) {
	b := BodyOf(pattern(1000))
	dst := make([][]byte, 0, 4)
	if n := testing.AllocsPerRun(100, func() { dst, _ = b.Slices(dst[:0], 10, 500) }); n > 0 {
		t.Errorf("Slices: %v allocations", n)
	}
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		r, _ := b.Open(0)
		_, _ = r.Next(ctx, 0, nil)
		_, _ = r.Next(ctx, 0, nil)
		r.Close()
	}); n > 1 {
		t.Errorf("Open, read, Close: %v allocations, want the reader only", n)
	}
	p := pattern(1000)
	if n := testing.AllocsPerRun(100, func() {
		b := NewBody(1000)
		_ = b.Append(ctx, p)
		b.Complete()
	}); n > 5 {
		t.Errorf("a small body: %v allocations", n)
	}
}

func BenchmarkReadComplete(b *testing.B) {
	body := BodyOf(pattern(100_000))
	ctx := b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r, _ := body.Open(0)
			_, _ = r.Next(ctx, 0, nil)
			r.Close()
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	p := pattern(32 << 10)
	ctx := b.Context()
	b.ReportAllocs()
	b.SetBytes(10 * int64(len(p)))
	for b.Loop() {
		body := NewBody(10 * int64(len(p)))
		for range 10 {
			_ = body.Append(ctx, p)
		}
		body.Complete()
	}
}
