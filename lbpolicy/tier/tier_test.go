package tier

import (
	"math"
	"testing"
)

// The first rows are the tables of Envoy's documentation of priority levels.
func TestSpread(t *testing.T) {
	tests := []struct {
		name  string
		tiers []Health
		want  []float64
	}{
		{"100 % healthy", []Health{{100, 100}, {100, 100}}, []float64{1, 0}},
		{"72 %", []Health{{72, 100}, {72, 100}}, []float64{1, 0}},
		{"71 %", []Health{{71, 100}, {71, 100}}, []float64{0.994, 0.006}},
		{"50 %", []Health{{50, 100}, {50, 100}}, []float64{0.7, 0.3}},
		{"25 %, 100 %", []Health{{25, 100}, {100, 100}}, []float64{0.35, 0.65}},
		{"25 %, 25 %: scaled up", []Health{{25, 100}, {25, 100}}, []float64{0.5, 0.5}},
		{"20 %, 20 %, 10 %", []Health{{20, 100}, {20, 100}, {10, 100}}, []float64{0.4, 0.4, 0.2}},
		{"0 %, 100 %", []Health{{0, 100}, {100, 100}}, []float64{0, 1}},
		{"nobody is healthy: the first", []Health{{0, 2}, {0, 2}}, []float64{1, 0}},
		{"nobody is healthy, the first is empty", []Health{{0, 0}, {0, 2}}, []float64{0, 1}},
		{"an empty tier is passed over", []Health{{0, 0}, {3, 3}}, []float64{0, 1}},
		{"one tier", []Health{{1, 3}}, []float64{1}},
		{"no hosts at all", []Health{{0, 0}}, []float64{0}},
		{"no tiers", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := make([]float64, len(tt.tiers))
			Spread(got, tt.tiers, Overprovision)
			for i := range got {
				if math.Abs(got[i]-tt.want[i]) > 1e-9 {
					t.Fatalf("%v, want %v", got, tt.want)
				}
			}
		})
	}
}

// All traffic goes somewhere, never to a tier without a healthy host while there
// is another, and never to a later tier while an earlier could take it.
func FuzzSpread(f *testing.F) {
	f.Add([]byte{1, 3, 2, 3}, uint8(140))
	f.Fuzz(func(t *testing.T, hosts []byte, factor uint8) {
		var tiers []Health
		healthy, total := 0.0, 0.0
		for ; len(hosts) >= 2; hosts = hosts[2:] {
			h := Health{float64(min(hosts[0], hosts[1])), float64(hosts[1])}
			tiers = append(tiers, h)
			healthy, total = healthy+h.Healthy, total+h.Total
		}
		over := 1 + float64(factor)/100
		spread := make([]float64, len(tiers))
		Spread(spread, tiers, over)
		sum := 0.0
		for i, part := range spread {
			if part < 0 || part > 1+1e-9 || healthy > 0 && tiers[i].Healthy == 0 && part > 0 || tiers[i].Total == 0 && part > 0 {
				t.Fatalf("%v of %v", spread, tiers)
			}
			able := 0.0
			if tiers[i].Total > 0 {
				able = min(1, over*tiers[i].Healthy/tiers[i].Total)
			}
			if left := 1 - sum; healthy > 0 && part < min(able, left)-1e-9 {
				t.Fatalf("tier %d takes %v of %v, but could take %v", i, part, left, able)
			}
			sum += part
		}
		if want := min(1, math.Ceil(total)); math.Abs(sum-want) > 1e-9 {
			t.Fatalf("%v sums up to %v, want %v", spread, sum, want)
		}
		for _, u := range []float64{0, 0.3, 0.999999} {
			if i := Choose(spread, u); (i < 0) != (total == 0) || i >= 0 && spread[i] == 0 {
				t.Fatalf("Choose(%v, %v) = %d", spread, u, i)
			}
		}
	})
}

func TestChoose(t *testing.T) {
	spread := []float64{0.5, 0, 0.5}
	for u, want := range map[float64]int{0: 0, 0.49: 0, 0.5: 2, 0.99: 2, 1: 2} {
		if got := Choose(spread, u); got != want {
			t.Errorf("Choose(%v) = %d, want %d", u, got, want)
		}
	}
	if got := Choose([]float64{0, 0}, 0.5); got != -1 {
		t.Errorf("%d of none", got)
	}
}

func TestInPanic(t *testing.T) {
	tests := []struct {
		health    Health
		threshold float64
		want      bool
	}{
		{Health{5, 10}, Panic, false},
		{Health{4, 10}, Panic, true},
		{Health{0, 1}, Panic, true},
		{Health{0, 1}, 0, false},
		{Health{0, 0}, Panic, false},
	}
	for _, tt := range tests {
		if got := tt.health.InPanic(tt.threshold); got != tt.want {
			t.Errorf("%+v at %v: %t", tt.health, tt.threshold, got)
		}
	}
}
