package budget

import (
	"math"
	"sync"
	"testing"
	"time"
)

// retries counts how many of the requests, one each interval, may be retried.
func retries(r *Retry, from, interval time.Duration, requests, wantEach int) int {
	n := 0
	for k := range requests {
		now := from + time.Duration(k)*interval
		r.Request(now)
		for range wantEach {
			if r.Allow(now) {
				n++
			}
		}
	}
	return n
}

func TestPercentage(t *testing.T) {
	r := New(Config{Percent: 20}, 0)
	n := retries(r, 0, time.Millisecond, 100_000, 3)
	if n < 19_900 || n > 20_000 {
		t.Errorf("%d retries of 100000 requests, want 20 %%", n)
	}
}

func TestMinimum(t *testing.T) {
	r := New(Config{MinPerSecond: 10, Window: time.Second}, 0)
	n := 0
	for now := time.Duration(0); now < time.Minute; now += time.Millisecond {
		if r.Allow(now) {
			n++
		}
	}
	// Ten a second, and what was there at the start.
	if n < 560 || n > 620 {
		t.Errorf("%d retries in a minute, want about 600", n)
	}
}

// Nothing is saved up for longer than the window.
func TestUnusedIsLost(t *testing.T) {
	r := New(Config{Percent: 20, MinPerSecond: 1, Window: 10 * time.Second}, 0)
	retries(r, 0, time.Millisecond, 100_000, 0)
	if b := r.Balance(100 * time.Second); b < 1900 || b > 2020 {
		t.Errorf("%v after 100 s of 1000 requests a second, want a window's worth, 2010", b)
	}
	if b := r.Balance(400 * time.Second); math.Abs(b-10) > 0.1 {
		t.Errorf("%v after five idle minutes, want the minimum's worth, 10", b)
	}
}

func TestNone(t *testing.T) {
	r := New(Config{}, 0)
	if n := retries(r, 0, time.Second, 100, 1); n != 0 {
		t.Errorf("%d retries of an empty budget", n)
	}
}

func TestClockThatStandsStill(t *testing.T) {
	r := New(Config{Percent: 100}, time.Hour)
	r.Request(time.Second) // before the start
	if !r.Allow(0) || r.Allow(0) {
		t.Error("want exactly one retry")
	}
}

func TestConcurrent(t *testing.T) {
	r := New(Config{Percent: 20}, 0)
	var wg sync.WaitGroup
	var mu sync.Mutex
	n := 0
	for range 8 {
		wg.Go(func() {
			mine := retries(r, 0, time.Nanosecond, 1000, 1)
			mu.Lock()
			n += mine
			mu.Unlock()
		})
	}
	wg.Wait()
	if n < 1590 || n > 1600 {
		t.Errorf("%d retries of 8000 requests, want 1600", n)
	}
}
