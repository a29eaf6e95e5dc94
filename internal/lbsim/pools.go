package lbsim

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// web is how long an ordinary page takes.
var web = Lognormal(20*time.Millisecond, 0.5)

// alike is a pool of n backends, each with so many servers (0: any number).
func alike(n, servers int, service Service) []Backend {
	return slices.Repeat([]Backend{{Service: service, Servers: servers}}, n)
}

// sick gives the first n of a pool some phases.
func sick(n int, p []Backend, phases ...Phase) []Backend {
	for i := range n {
		p[i].Phases = phases
	}
	return p
}

func slow(factor float64) Phase { return Phase{Slow: factor} }

// between are phases of a backend that is ill for a while.
func between(from, to time.Duration, ill Phase) []Phase {
	ill.From = from
	return []Phase{ill, {From: to}}
}

// speeds makes each slower than the one before, the last 4×.
func speeds(p []Backend) []Backend {
	for i := range p {
		p[i].Phases = []Phase{{Slow: 1 + 3*float64(i)/float64(len(p)-1)}}
	}
	return p
}

// pauses lets each stand still for 300 ms every 10 s, one after the other:
// what arrives meanwhile takes longer, as in a garbage collection.
func pauses(p []Backend) []Backend {
	for i := range p {
		for at := time.Duration(i) * 2 * time.Second; at < time.Minute; at += 10 * time.Second {
			p[i].Phases = append(p[i].Phases, Phase{From: at, Slow: 10}, Phase{From: at + 300*time.Millisecond})
		}
	}
	return p
}

// rolling takes one after the other away for 5 s.
func rolling(p []Backend) []Backend {
	for i := range p {
		at := time.Duration(15+8*i) * time.Second
		p[i].Phases = []Phase{{From: at, Mode: Refusing}, {From: at + 5*time.Second}}
	}
	return p
}

// wandering gives each a speed that goes its own way, second by second (an
// autoregressive process of order one), as with neighbours on the same machine.
func wandering(p []Backend) []Backend {
	rng := rand.New(rand.NewPCG(7, 7))
	for i := range p {
		x := 0.0
		for at := time.Duration(0); at < time.Minute; at += time.Second {
			x = 0.9*x + 0.25*rng.NormFloat64()
			p[i].Phases = append(p[i].Phases, Phase{From: at, Slow: math.Exp(x)})
		}
	}
	return p
}

// flapping are phases of a backend that is ill for the second half of every 20 s.
func flapping(ill Phase) (phases []Phase) {
	for at := 10 * time.Second; at < time.Minute; at += 20 * time.Second {
		phases = append(phases, between(at, at+10*time.Second, ill)...)
	}
	return phases
}

// drifting are those of one that gets slower, second by second for a minute.
func drifting(to float64) (phases []Phase) {
	for s := range 60 {
		phases = append(phases, Phase{From: time.Duration(s) * time.Second, Slow: 1 + (to-1)*float64(s)/60})
	}
	return phases
}

func failing(p []Backend, parts ...float64) []Backend {
	for i := range p {
		p[i].Failing = parts[i]
	}
	return p
}
