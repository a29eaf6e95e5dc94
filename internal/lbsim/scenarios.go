package lbsim

import (
	"math"
	"math/rand/v2"
	"time"
)

// Scenarios are what the table shows.
func Scenarios() []Scenario {
	const s = time.Second
	web := Lognormal(20*time.Millisecond, 0.5)
	pool := func(n, servers int, service Service) []Backend {
		p := make([]Backend, n)
		for i := range p {
			p[i] = Backend{Service: service, Servers: servers}
		}
		return p
	}
	with := func(p []Backend, sick []int, phases ...Phase) []Backend {
		for _, i := range sick {
			p[i].Phases = phases
		}
		return p
	}
	slow := func(f float64) Phase { return Phase{Slow: f} }
	one, two, none := []int{0}, []int{0, 1}, []int(nil)
	sc := func(name string, rate float64, sick []int, p []Backend) Scenario {
		return Scenario{Name: name, Backends: p, Rate: rate, Sick: sick, Duration: 60 * s, Warm: 10 * s}
	}
	return []Scenario{
		sc("3 alike", 300, none, pool(3, 0, web)),
		sc("3 alike, queueing, 70 %", 420, none, pool(3, 4, web)),
		sc("3 alike, queueing, 90 %", 540, none, pool(3, 4, web)),
		sc("16 alike, one server each, 80 %", 640, none, pool(16, 1, web)),
		sc("1 of 3 3× slower", 300, one, with(pool(3, 0, web), one, slow(3))),
		sc("1 of 3 3× slower, queueing", 300, one, with(pool(3, 4, web), one, slow(3))),
		sc("2 of 16 16× slower", 1000, two, with(pool(16, 0, web), two, slow(16))),
		sc("2 of 16 16× slower, queueing", 1000, two, with(pool(16, 4, web), two, slow(16))),
		sc("1 of 4 10× slower for 20 s", 400, one,
			with(pool(4, 0, web), one, Phase{From: 20 * s, Slow: 10}, Phase{From: 40 * s})),
		sc("1 of 4 10× slower for 20 s, queueing", 400, one,
			with(pool(4, 4, web), one, Phase{From: 20 * s, Slow: 10}, Phase{From: 40 * s})),
		sc("1 of 3 answers 503 in 1 ms", 300, one, with(pool(3, 0, web), one, Phase{Mode: FastFailing})),
		sc("1 of 3 refuses", 300, one, with(pool(3, 0, web), one, Phase{From: 20 * s, Mode: Refusing})),
		{
			Name: "1 of 3 refuses, lb_try_duration 5s", Backends: with(pool(3, 0, web), one, Phase{From: 20 * s, Mode: Refusing}),
			Rate: 300, Sick: one, Duration: 60 * s, Warm: 10 * s, Retry: 5 * s,
		},
		sc("1 of 3 a black hole", 300, one, with(pool(3, 0, web), one, Phase{From: 20 * s, Mode: BlackHole})),
		{
			Name: "1 of 3 hangs, clients leave after 2 s", Backends: with(pool(3, 0, web), one, Phase{From: 20 * s, Mode: Hanging}),
			Rate: 300, Sick: one, Duration: 60 * s, Warm: 10 * s, Patience: 2 * s,
		},
		{
			Name: "4 alike, queueing, bursts of 3×", Backends: pool(4, 4, web), Rate: 350, Duration: 60 * s, Warm: 10 * s,
			Bursts: []Burst{{20 * s, 22 * s, 3}, {30 * s, 32 * s, 3}, {40 * s, 42 * s, 3}, {50 * s, 52 * s, 3}},
		},
		sc("4 alike, 5 % take 20×", 400, none, pool(4, 0, Bimodal(5*time.Millisecond, 100*time.Millisecond, 0.05))),
		sc("4 CPU-bound (1 server), 75 %", 150, none, pool(4, 1, Exponential(20*time.Millisecond))),
		sc("4 CPU-bound, one 2× slower", 130, one, with(pool(4, 1, Exponential(20*time.Millisecond)), one, slow(2))),
		{
			Name: "1 request/s, 1 of 3 10× slower", Backends: with(pool(3, 0, web), one, slow(10)),
			Rate: 1, Sick: one, Duration: 1800 * s, Warm: 60 * s,
		},
		sc("3 alike, 1 request/s", 1, one, pool(3, 0, web)),
		sc("50 alike, 5 of them 8× slower", 2000, []int{0, 1, 2, 3, 4}, with(pool(50, 0, web), []int{0, 1, 2, 3, 4}, slow(8))),
		sc("2 fast, 1 3× slower, queueing, 85 % of all", 396, one, with(pool(3, 4, web), one, slow(3))),
		sc("2 fast, 1 3× slower, queueing, 95 % of all", 443, one, with(pool(3, 4, web), one, slow(3))),
		sc("8 of speeds 1 … 4×, queueing, 75 %", 620, []int{7}, speeds(pool(8, 4, web))),
		sc("all pause 300 ms every 10 s", 400, none, pauses(pool(4, 0, web))),
		sc("rolling restart", 400, none, rolling(pool(4, 0, web))),
		{
			Name: "4 proxies, 8 queueing, one 4× slower", Backends: with(pool(8, 4, web), one, slow(4)),
			Rate: 1000, Sick: one, Duration: 60 * s, Warm: 10 * s, Proxies: 4,
		},
		{
			Name: "4 proxies, 8 alike, queueing, 80 %", Backends: pool(8, 4, web),
			Rate: 1280, Sick: one, Duration: 60 * s, Warm: 10 * s, Proxies: 4,
		},
		sc("cold start, 5× to 1× in 30 s", 400, one, with(pool(4, 0, web), one,
			Phase{Slow: 5}, Phase{From: 20 * s, Slow: 3}, Phase{From: 30 * s, Slow: 2}, Phase{From: 40 * s})),
		sc("4 alike, 1 % are long polls of 20 s", 400, one, pool(4, 0, Bimodal(20*time.Millisecond, 20*s, 0.01))),
		sc("4 of wandering speeds, queueing, 60 %", 400, one, wandering(pool(4, 4, web))),
		sc("1 of 2 3× slower", 100, one, with(pool(2, 0, web), one, slow(3))),
		sc("1 of 2 3× slower, queueing, 80 % of all", 213, one, with(pool(2, 4, web), one, slow(3))),
		sc("3 alike of 1 ms, one 3× slower, 3000/s", 3000, one, with(pool(3, 0, Lognormal(time.Millisecond, 0.5)), one, slow(3))),
		sc("all fail for 10 s, queueing, 70 %", 560, one, with(pool(4, 4, web), []int{0, 1, 2, 3}, Phase{From: 20 * s, Mode: FastFailing}, Phase{From: 30 * s})),
		sc("all refuse for 10 s, queueing, 70 %", 560, one, with(pool(4, 4, web), []int{0, 1, 2, 3}, Phase{From: 20 * s, Mode: Refusing}, Phase{From: 30 * s})),
		sc("all 10× slower for 5 s", 400, one, with(pool(4, 0, web), []int{0, 1, 2, 3}, Phase{From: 20 * s, Slow: 10}, Phase{From: 25 * s})),
		sc("all but one refuse for 10 s, queueing, 70 %", 560, one, with(pool(4, 4, web), []int{0, 1, 2}, Phase{From: 20 * s, Mode: Refusing}, Phase{From: 30 * s})),
		sc("all fail half the time", 300, one, failing(pool(3, 0, web), 0.5, 0.5, 0.5)),
		sc("one fails 5 %, the others 1 %", 300, one, failing(pool(3, 0, web), 0.05, 0.01, 0.01)),
		sc("1 upstream", 50, none, pool(1, 0, web)),
	}
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

func failing(p []Backend, parts ...float64) []Backend {
	for i := range p {
		p[i].Failing = parts[i]
	}
	return p
}

// Contestants are the columns of the table.
func Contestants() []Contestant {
	return []Contestant{
		LeastTime, LeastRequest, Ejecting,
		LeastConn, RandomChoose, RoundRobin, Random, First, IPHash,
		HAProxyLeastConn, NginxLeastConn, PeakEWMA,
	}
}
