package rate

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"
)

// A twin is the definition of a limit, as slow and plain as it can be: the times
// of all requests that it ever let through, and GCRA in rational numbers.
type twin struct {
	p      Policy
	passed []time.Duration
	tat    *big.Rat
}

func newTwin(p Policy) *twin { return &twin{p: p, tat: new(big.Rat)} }

func (w *twin) in(from, to time.Duration) (n int) { // (from, to]
	for _, at := range w.passed {
		if from < at && at <= to {
			n++
		}
	}
	return n
}

func (w *twin) left(now time.Duration) int {
	left := w.p.Quota() - w.in(now-w.p.Window, now)
	if w.p.Burst > 0 {
		left = min(left, w.conforming(now))
	}
	return left
}

// conforming is how many intervals, of a window's limit-th each, fit between the
// arrival time and the most that it may be ahead.
func (w *twin) conforming(now time.Duration) int {
	at := new(big.Rat).SetInt64(int64(now))
	if w.tat.Cmp(at) > 0 {
		at = w.tat
	}
	interval := big.NewRat(int64(w.p.Window), int64(w.p.Limit))
	room := new(big.Rat).Mul(interval, big.NewRat(int64(w.p.Quota()), 1))
	room.Add(room, new(big.Rat).SetInt64(int64(now))).Sub(room, at)
	room.Quo(room, interval)
	return int(new(big.Int).Quo(room.Num(), room.Denom()).Int64())
}

func (w *twin) take(now time.Duration) bool {
	if w.left(now) < 1 {
		return false
	}
	w.passed = append(w.passed, now)
	at := new(big.Rat).SetInt64(int64(now))
	if w.tat.Cmp(at) < 0 {
		w.tat = at
	}
	w.tat = new(big.Rat).Add(w.tat, big.NewRat(int64(w.p.Window), int64(w.p.Limit)))
	return true
}

// steps are pauses between requests: none, short ones, about a window, and idle
// times that move a shard's base.
func steps(rng *rand.Rand, window time.Duration) time.Duration {
	switch rng.IntN(12) {
	case 0, 1, 2, 3, 4:
		return 0
	case 5, 6, 7:
		return time.Duration(rng.Int64N(int64(window)/4 + 1))
	case 8:
		return window
	case 9:
		return window - time.Duration(rng.Int64N(3))
	case 10:
		return time.Duration(rng.Int64N(3 * int64(window)))
	default:
		if rng.IntN(10) == 0 {
			return window * time.Duration(rng.Int64N(50))
		}
		return 1
	}
}

var policies = []Policy{
	{Limit: 1, Window: time.Second},
	{Limit: 3, Window: time.Second},
	{Limit: 10, Window: time.Minute},
	{Limit: 7, Window: 24 * time.Hour},
	{Limit: 64, Window: time.Second},
	{Limit: 5, Window: 1234567 * time.Microsecond},
	{Limit: 10, Window: time.Second, Burst: 5},
	{Limit: 1, Window: time.Second, Burst: 60},
	{Limit: 3, Window: 100 * time.Millisecond, Burst: 1},
}

// At readings that are whole ticks, every decision and everything it says of the
// future is the twin's.
func TestTwin(t *testing.T) {
	for _, p := range policies {
		t.Run(fmt.Sprint(p), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			l, w := newLimiter(t, Config{Policy: p}), newTwin(p)
			tick := time.Duration(l.layout.tick)
			now := time.Duration(0)
			for i := range 5000 {
				now += steps(rng, p.Window) / tick * tick
				peeked := l.Peek("key", epoch.Add(now))
				got, want := l.Take("key", epoch.Add(now)), w.take(now)
				if got.Allowed != want || peeked.Allowed != want || got.Remaining != w.left(now) {
					t.Fatalf("request %d at %v: %+v, peeked %+v, want allowed = %t, %d left",
						i, now, got, peeked, want, w.left(now))
				}
				checkReset(t, w, got, now, tick)
				w.passed = w.passed[max(0, len(w.passed)-2*p.Quota()):]
			}
		})
	}
}

// checkReset holds Reset to its word: at that time there is more, and a tick
// earlier there was not.
func checkReset(t *testing.T, w *twin, r Result, now, tick time.Duration) {
	t.Helper()
	if r.Reset == 0 {
		if r.Remaining != r.Quota {
			t.Fatalf("at %v: no Reset in %+v", now, r)
		}
		return
	}
	if after := w.left(now + r.Reset); after <= r.Remaining {
		t.Fatalf("at %v: %+v, but then %d are left", now, r, after)
	}
	if before := w.left(now + r.Reset - tick); r.Reset > tick && before > r.Remaining {
		t.Fatalf("at %v: %+v, but a tick earlier %d are left already", now, r, before)
	}
}

// At any reading: never more than the quota in any window, and nobody is refused
// for longer than the tick, or the part of the window, that the log is kept in.
func TestNeverMoreThanTheQuota(t *testing.T) {
	large := []Policy{
		{Limit: 65, Window: time.Second},
		{Limit: 200, Window: time.Minute},
		{Limit: 100, Window: time.Second, Burst: 50},
	}
	for _, p := range append(large, policies...) {
		t.Run(fmt.Sprint(p), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(3, 4))
			l, w := newLimiter(t, Config{Policy: p}), newTwin(p)
			late := 2 * time.Duration(l.layout.tick)
			if !l.layout.exact {
				late += time.Duration(int64(l.layout.part) * l.layout.tick)
			}
			now := time.Duration(0)
			for i := range 4000 {
				pause := steps(rng, p.Window)
				if rng.IntN(3) > 0 {
					pause /= time.Duration(p.Quota())
				}
				now += pause
				r := l.Take("key", epoch.Add(now))
				switch {
				case r.Allowed:
					if !w.take(now) {
						t.Fatalf("request %d at %v: passed as one too many", i, now)
					}
				case w.in(now-p.Window-late, now) < p.Quota() && (p.Burst == 0 || w.conforming(now-late) > 0):
					t.Fatalf("request %d at %v: refused more than %v too long: %+v", i, now, late, r)
				}
				w.passed = w.passed[max(0, len(w.passed)-2*p.Quota()):]
			}
		})
	}
}

// Waiting for as long as Reset says is enough, at any reading and quota.
func TestResetIsEnough(t *testing.T) {
	for _, p := range append(policies, Policy{Limit: 500, Window: time.Minute}, Policy{Limit: 100, Window: time.Minute, Burst: 9}) {
		rng := rand.New(rand.NewPCG(5, 6))
		l := newLimiter(t, Config{Policy: p})
		now := time.Duration(0)
		for range 20 * p.Quota() {
			now += time.Duration(rng.Int64N(int64(p.Window) / int64(p.Quota()) / 2))
			r := l.Take("key", epoch.Add(now))
			if r.Allowed {
				continue
			}
			if r.Reset <= 0 || r.Reset > p.Window+p.Window/subWindows+time.Millisecond {
				t.Fatalf("%v: Reset of %v", p, r.Reset)
			}
			now += r.Reset
			if again := l.Take("key", epoch.Add(now)); !again.Allowed {
				t.Fatalf("%v: refused again after %v: %+v", p, r.Reset, again)
			}
		}
	}
}

// FuzzTwin lets the fuzzer choose the policy and the pauses, among several keys.
func FuzzTwin(f *testing.F) {
	f.Add(uint8(10), uint8(0), uint16(1000), []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255})
	f.Add(uint8(3), uint8(2), uint16(7), []byte{1, 2, 3, 0, 0, 0, 0, 200, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, limit, burst uint8, window uint16, pauses []byte) {
		p := Policy{
			Limit: 1 + int(limit)%32, Burst: int(burst) % 32,
			Window: time.Duration(1+int(window)) * time.Millisecond,
		}
		l, err := New(Config{Policy: p}, epoch)
		if err != nil {
			t.Fatal(err)
		}
		pauses = pauses[:min(len(pauses), 300)] // the twin is slow
		tick := time.Duration(l.layout.tick)
		twins := map[string]*twin{"a": newTwin(p), "b": newTwin(p), "c": newTwin(p)}
		now := time.Duration(0)
		for i, b := range pauses {
			now += p.Window * time.Duration(b/3) / 64 / tick * tick
			key := string(rune('a' + b%3))
			got, want := l.Take(key, epoch.Add(now)), twins[key].take(now)
			if got.Allowed != want || got.Remaining != twins[key].left(now) {
				t.Fatalf("%v: request %d of %s at %v: %+v, want allowed = %t, %d left",
					p, i, key, now, got, want, twins[key].left(now))
			}
			checkReset(t, twins[key], got, now, tick)
		}
	})
}
