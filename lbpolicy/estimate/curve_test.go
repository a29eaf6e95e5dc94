package estimate

import (
	"math"
	"testing"
	"time"
)

// The curve against its definition in plain words.
func TestFit(t *testing.T) {
	at := func(values map[int]float32) (c curve) {
		for b, v := range values {
			c[b] = mean{value: v, weight: 1e9}
		}
		return c
	}
	tests := []struct {
		name  string
		seen  map[int]float32
		want  map[int]float32 // some buckets
		close float64
	}{
		{"nothing", nil, map[int]float32{0: 0, 11: 0}, 0},
		{"flat below the lowest", map[int]float32{3: 5}, map[int]float32{0: 5, 1: 5, 3: 5, 4: 5}, 0},
		{"in proportion from the second beyond", map[int]float32{3: 5}, map[int]float32{5: 10, 6: 20}, 0},
		{"the line goes on", map[int]float32{2: 6, 3: 12}, map[int]float32{4: 24, 5: 48}, 1e-5},
		{"a gap is filled by the line between its ends", map[int]float32{0: 1, 1: 3, 3: 21}, map[int]float32{2: 9, 3: 21}, 1e-5},
		{"a gap below violators", map[int]float32{0: 1, 2: 7, 3: 5}, map[int]float32{1: 3, 2: 6, 3: 6}, 1e-5},
		{"violators are pooled", map[int]float32{0: 4, 1: 2, 2: 5, 3: 4}, map[int]float32{0: 3, 1: 3, 2: 4.5, 3: 4.5}, 1e-5},
		{"and again", map[int]float32{0: 4, 1: 5, 2: 0}, map[int]float32{0: 3, 1: 3, 2: 3}, 1e-5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := at(tt.seen)
			var got [buckets]float32
			c.fit(0, time.Second, &got)
			for b, want := range tt.want {
				if math.Abs(float64(got[b]-want)) > tt.close*float64(want)+1e-6 {
					t.Errorf("bucket %d: %v, want %v (all: %v)", b, got[b], want, got)
				}
			}
		})
	}
}

// What a host showed when it was idle, long ago and by a lucky answer, does not make it
// look as if it queued now; nor does it when the time, not the answers, has made it old.
func TestOldBucketsDoNotCount(t *testing.T) {
	for name, grow := range map[string]func(h *Host, now time.Duration) time.Duration{
		"many answers": func(h *Host, now time.Duration) time.Duration {
			for range 1000 {
				now += ms
				h.Begin(now)
				h.End(now, ok(20*ms, 20))
			}
			return now
		},
		"a long time": func(h *Host, now time.Duration) time.Duration {
			return feed(h, now+30*time.Second, 10, ok(20*ms, 20))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := NewHost(Config{})
			now := grow(h, feed(h, 0, 2, ok(5*ms, 1)))
			if p := h.Predict(now, 20); !near(p.Cost, 0.02, 0.05) {
				t.Errorf("%+v, want a cost of 20 ms", p)
			}
			// When it is idle again, that counts at once.
			now = feed(h, now, 2, ok(5*ms, 1))
			if l := h.Predict(now, 1).Latency; !near(l, 0.005, 0.05) {
				t.Errorf("%v when it is idle again, want 5 ms", seconds(l))
			}
		})
	}
}

// The shortcut for short times is as exact as the numbers are.
func TestFading(t *testing.T) {
	const decay = 10 * time.Second
	for d := time.Duration(0); d < 2*decay; d += d/8 + time.Microsecond {
		want := math.Exp(-float64(d) / float64(decay))
		if got := fading(d, decay); !near(float64(got), want, 3e-7) {
			t.Errorf("%v: %v, want %v", d, got, want)
		}
	}
	for _, d := range []time.Duration{-time.Second, 10 * decay} {
		if got, want := fading(d, decay), math.Exp(-float64(d)/float64(decay)); !near(float64(got), want, 1e-6) {
			t.Errorf("%v: %v, want %v", d, got, want)
		}
	}
}
