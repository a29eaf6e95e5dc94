package store

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBody(-1)
		fill(t, b, pattern(10), 10)
		r := open(t, b, 0)
		flushes := 0
		next := func() int {
			p, err := r.Next(t.Context(), 0, func() { flushes++ })
			if err != nil {
				t.Errorf("Next: %v", err)
			}
			return len(p)
		}
		if n := next(); n != 10 || flushes != 0 {
			t.Errorf("got %d bytes after %d calls of wait, want 10 after none", n, flushes)
		}
		got := make(chan int)
		go func() { got <- next() }()
		synctest.Wait()
		open(t, b, 0).Close() // wakes it for nothing
		synctest.Wait()
		fill(t, b, pattern(5), 5)
		if n := <-got; n != 5 || flushes != 1 {
			t.Errorf("got %d bytes after %d calls of wait, want 5 after one", n, flushes)
		}

		// The bytes come while wait runs: no second wait, no waiting.
		p, err := r.Next(t.Context(), 0, func() { fill(t, b, pattern(3), 3) })
		if len(p) != 3 || err != nil {
			t.Errorf("got %d bytes and %v, want 3", len(p), err)
		}
	})
}

func TestNextContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBody(-1)
		r := open(t, b, 0)
		defer r.Close()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := r.Next(ctx, 0, nil)
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Next = %v, want the context's error", err)
		}
		if _, err := r.Next(ctx, 0, func() { t.Error("wait is called though the context has ended") }); !errors.Is(err, context.Canceled) {
			t.Errorf("Next = %v, want the context's error", err)
		}
		fill(t, b, pattern(4), 4)
		if p, err := r.Next(ctx, 0, nil); len(p) != 4 || err != nil {
			t.Errorf("Next = %d bytes and %v: what is there needs no waiting", len(p), err)
		}
	})
}

func TestCloseEndsNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBody(-1)
		r := open(t, b, 0)
		done := make(chan error)
		go func() {
			_, err := r.Next(t.Context(), 0, nil)
			done <- err
		}()
		synctest.Wait()
		r.Close()
		if err := <-done; !errors.Is(err, errClosed) {
			t.Errorf("Next = %v after Close", err)
		}
	})
}

func TestNextMax(t *testing.T) {
	b := BodyOf(pattern(100))
	r := open(t, b, 30)
	for _, c := range []struct{ max, want int64 }{{20, 20}, {0, 50}} {
		p, err := r.Next(t.Context(), c.max, nil)
		if err != nil || int64(len(p)) != c.want || cap(p) != len(p) {
			t.Errorf("Next(max %d) = %d bytes (cap %d) and %v, want %d", c.max, len(p), cap(p), err, c.want)
		}
	}
}
