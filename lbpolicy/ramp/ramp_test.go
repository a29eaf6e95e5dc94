package ramp

import (
	"math"
	"testing"
	"time"
)

func TestFactor(t *testing.T) {
	const s = time.Second
	tests := []struct {
		name string
		ramp SlowStart
		age  time.Duration
		want float64
	}{
		{"off", SlowStart{}, 0, 1},
		{"at the start, the least", SlowStart{Window: 10 * s}, 0, 0.1},
		{"before the start", SlowStart{Window: 10 * s}, -s, 0.1},
		{"a straight line", SlowStart{Window: 10 * s}, 5 * s, 0.5},
		{"at the end", SlowStart{Window: 10 * s}, 10 * s, 1},
		{"after the end", SlowStart{Window: 10 * s}, time.Hour, 1},
		{"another least", SlowStart{Window: 10 * s, Least: 0.3}, s, 0.3},
		{"aggressive", SlowStart{Window: 100 * s, Aggression: 2}, 25 * s, 0.5},
		{"hesitant", SlowStart{Window: 100 * s, Aggression: 0.5}, 50 * s, 0.25},
	}
	for _, tt := range tests {
		if got := tt.ramp.Factor(tt.age); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
