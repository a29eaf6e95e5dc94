package lbsim

import (
	"slices"
	"time"
)

// sec keeps the tables short.
const sec = time.Second

// Scenarios are what the table shows.
func Scenarios() []Scenario {
	return slices.Concat(ofEquals(), ofSlow(), ofChange(), ofFailure(), ofOutage(), ofOwnMaking())
}

// steady is a minute of requests at a rate; the first sick backends are of interest.
func steady(name string, rate float64, sick int, p []Backend, more ...func(*Scenario)) Scenario {
	sc := Scenario{Name: name, Backends: p, Rate: rate, Duration: 60 * sec, Warm: 10 * sec}
	for i := range sick {
		sc.Sick = append(sc.Sick, i)
	}
	for _, set := range more {
		set(&sc)
	}
	return sc
}

// In ofEquals, all backends are alike: there is nothing to win.
func ofEquals() []Scenario {
	bursts := func(sc *Scenario) {
		for at := 20 * sec; at <= 50*sec; at += 10 * sec {
			sc.Bursts = append(sc.Bursts, Burst{at, at + 2*sec, 3})
		}
	}
	proxies := func(sc *Scenario) { sc.Proxies = 4 }
	hot := func(sc *Scenario) { sc.Hot = 1.0 / 3 }
	return []Scenario{
		steady("1 upstream", 50, 0, alike(1, 0, web)),
		steady("3 alike", 300, 0, alike(3, 0, web)),
		steady("3 alike, 1 request/s", 1, 0, alike(3, 0, web), halfHour),
		steady("3 alike, queueing, 70 %", 420, 0, alike(3, 4, web)),
		steady("3 alike, queueing, 90 %", 540, 0, alike(3, 4, web)),
		steady("16 alike, one server each, 80 %", 640, 0, alike(16, 1, web)),
		steady("4 CPU-bound (1 server), 75 %", 150, 0, alike(4, 1, Exponential(20*time.Millisecond))),
		steady("4 alike, queueing, bursts of 3×", 350, 0, alike(4, 4, web), bursts),
		steady("4 alike, 5 % take 20×", 400, 0, alike(4, 0, Bimodal(5*time.Millisecond, 100*time.Millisecond, 0.05))),
		steady("4 alike, 1 % are long polls of 20 s", 400, 0, alike(4, 0, Bimodal(20*time.Millisecond, 20*sec, 0.01))),
		steady("4 proxies, 8 alike, queueing, 80 %", 1280, 0, alike(8, 4, web), proxies),
		steady("5 alike, queueing, a third from one client", 500, 0, alike(5, 4, web), hot),
	}
}

// halfHour is for rates at which little happens in a minute.
func halfHour(sc *Scenario) { sc.Duration, sc.Warm = 1800*sec, 60*sec }

// In ofSlow, some are slower than the others all the time.
func ofSlow() []Scenario {
	proxies := func(sc *Scenario) { sc.Proxies = 4 }
	cpu := Exponential(20 * time.Millisecond)
	return []Scenario{
		steady("1 of 2 3× slower", 100, 1, sick(1, alike(2, 0, web), slow(3))),
		steady("1 of 3 3× slower", 300, 1, sick(1, alike(3, 0, web), slow(3))),
		steady("1 of 3 3× slower, queueing", 300, 1, sick(1, alike(3, 4, web), slow(3))),
		steady("1 of 3 3× slower, 1 ms, 3000/s", 3000, 1, sick(1, alike(3, 0, Lognormal(time.Millisecond, 0.5)), slow(3))),
		steady("1 of 3 10× slower, 1 request/s", 1, 1, sick(1, alike(3, 0, web), slow(10)), halfHour),
		steady("2 of 16 16× slower", 1000, 2, sick(2, alike(16, 0, web), slow(16))),
		steady("2 of 16 16× slower, queueing", 1000, 2, sick(2, alike(16, 4, web), slow(16))),
		steady("5 of 50 8× slower", 2000, 5, sick(5, alike(50, 0, web), slow(8))),
		steady("4 CPU-bound, one 2× slower", 130, 1, sick(1, alike(4, 1, cpu), slow(2))),
		steady("4 proxies, 1 of 8 4× slower, queueing", 1000, 1, sick(1, alike(8, 4, web), slow(4)), proxies),
		// The slow ones are needed here: the fast ones alone could not serve all.
		steady("1 of 2 3× slower, queueing, 80 % of all", 213, 1, sick(1, alike(2, 4, web), slow(3))),
		steady("1 of 3 3× slower, queueing, 85 % of all", 396, 1, sick(1, alike(3, 4, web), slow(3))),
		steady("1 of 3 3× slower, queueing, 95 % of all", 443, 1, sick(1, alike(3, 4, web), slow(3))),
		steady("8 of speeds 1 … 4×, queueing, 75 %", 620, 0, speeds(alike(8, 4, web))),
	}
}

// In ofChange, speeds change.
func ofChange() []Scenario {
	tenfold := between(20*sec, 40*sec, slow(10))
	warming := []Phase{slow(5), {From: 20 * sec, Slow: 3}, {From: 30 * sec, Slow: 2}, {From: 40 * sec}}
	return []Scenario{
		steady("1 of 4 10× slower for 20 s", 400, 1, sick(1, alike(4, 0, web), tenfold...)),
		steady("1 of 4 10× slower for 20 s, queueing", 400, 1, sick(1, alike(4, 4, web), tenfold...)),
		steady("1 of 4 warms up, 5× to 1×", 400, 1, sick(1, alike(4, 0, web), warming...)),
		steady("4 pause 300 ms every 10 s in turn", 400, 0, pauses(alike(4, 0, web))),
		steady("4 of wandering speeds, queueing, 60 %", 400, 0, wandering(alike(4, 4, web))),
		steady("all 10× slower for 5 s", 400, 0, sick(4, alike(4, 0, web), between(20*sec, 25*sec, slow(10))...)),
	}
}

// In ofFailure, some fail.
func ofFailure() []Scenario {
	from := func(m Mode) Phase { return Phase{From: 20 * sec, Mode: m} }
	retry := func(sc *Scenario) { sc.Retry = 5 * sec }
	patience := func(sc *Scenario) { sc.Patience = 2 * sec }
	return []Scenario{
		steady("1 of 3 answers 503 in 1 ms", 300, 1, sick(1, alike(3, 0, web), Phase{Mode: FastFailing})),
		steady("1 of 3 refuses", 300, 1, sick(1, alike(3, 0, web), from(Refusing))),
		steady("1 of 3 refuses, lb_try_duration 5s", 300, 1, sick(1, alike(3, 0, web), from(Refusing)), retry),
		steady("1 of 3 a black hole", 300, 1, sick(1, alike(3, 0, web), from(BlackHole))),
		steady("1 of 3 hangs, clients leave after 2 s", 300, 1, sick(1, alike(3, 0, web), from(Hanging)), patience),
		steady("1 of 3 fails 5 %, the others 1 %", 300, 1, failing(alike(3, 0, web), 0.05, 0.01, 0.01)),
		steady("rolling restart", 400, 0, rolling(alike(4, 0, web))),
	}
}

// In ofOutage, all or nearly all fail.
func ofOutage() []Scenario {
	outage := func(m Mode) []Phase { return between(20*sec, 30*sec, Phase{Mode: m}) }
	return []Scenario{
		steady("all fail half the time", 300, 0, failing(alike(3, 0, web), 0.5, 0.5, 0.5)),
		steady("all fail for 10 s, queueing, 70 %", 560, 0, sick(4, alike(4, 4, web), outage(FastFailing)...)),
		steady("all refuse for 10 s, queueing, 70 %", 560, 0, sick(4, alike(4, 4, web), outage(Refusing)...)),
		steady("3 of 4 refuse for 10 s, queueing, 70 %", 560, 3, sick(3, alike(4, 4, web), outage(Refusing)...)),
	}
}

// In ofOwnMaking, backends get slow or refuse because of their load, or come and go
// without end.
func ofOwnMaking() []Scenario {
	strained := func(n int, p []Backend, knee int, strain float64) []Backend {
		for i := range n {
			p[i].Knee, p[i].Strain = knee, strain
		}
		return p
	}
	shedding := func(n, most int, p []Backend) []Backend {
		for i := range n {
			p[i].Shed = most
		}
		return p
	}
	waves := func(sc *Scenario) {
		for at := 2 * sec; at < 60*sec; at += 2 * sec {
			sc.Bursts = append(sc.Bursts, Burst{at, at + 200*time.Millisecond, 10})
		}
	}
	resting := sick(1, alike(3, 0, web), between(20*sec, 40*sec, Phase{Mode: FastFailing})...)
	resting[0].RetryAfter = 15 * sec
	failingSlowly := failing(sick(1, alike(5, 0, web), slow(3)), 0.3, 0, 0, 0, 0)
	polls := Bimodal(5*time.Millisecond, 30*sec, 0.05)
	wide := Lognormal(20*time.Millisecond, 1)
	return []Scenario{
		steady("4, each slower above 4 at once", 500, 0, strained(4, alike(4, 0, web), 4, 0.3)),
		steady("1 of 4 slower above 1 at once", 500, 1, strained(1, alike(4, 0, web), 1, 0.5)),
		steady("4, each 503 above 6 at once", 600, 0, shedding(4, 6, alike(4, 0, web))),
		steady("1 of 4 503 above 2 at once", 500, 1, shedding(1, 2, alike(4, 0, web))),
		steady("1 of 4 5× slower for 10 of every 20 s", 400, 1, sick(1, alike(4, 0, web), flapping(slow(5))...)),
		steady("1 of 4 refuses for 10 of every 20 s", 400, 1, sick(1, alike(4, 0, web), flapping(Phase{Mode: Refusing})...)),
		steady("1 of 2 refuses for 10 of every 20 s, the other cannot take all", 240, 1,
			sick(1, alike(2, 4, web), flapping(Phase{Mode: Refusing})...)),
		steady("1 of 5 gets 6× slower in a minute, queueing, 70 %", 700, 1, sick(1, alike(5, 4, web), drifting(6)...)),
		steady("1 of 5 3× slower, and 30 % of it fails", 300, 1, failingSlowly),
		steady("1 of 3 answers 503 with Retry-After 15 s for 20 s", 300, 1, resting),
		steady("waves of 10×, 1 of 4 3× slower, queueing", 150, 1, sick(1, alike(4, 8, web), slow(3)), waves),
		steady("4, 5 % are polls of 30 s, one 10× slower", 100, 1, sick(1, alike(4, 0, polls), slow(10))),
		steady("30, three 5× slower, queueing, 5000 requests/s", 5000, 3, sick(3, alike(30, 8, web), slow(5)), brief),
		steady("8 of speeds 1 … 4×, wide, 5 requests/s", 5, 0, speeds(alike(8, 0, wide)), halfHour),
		steady("1 of 2 4× slower, queueing, 80 % of all", 800, 1, sick(1, alike(2, 16, web), slow(4))),
	}
}

// brief is for rates at which much happens in a moment.
func brief(sc *Scenario) { sc.Duration, sc.Warm = 20*sec, 5*sec }

// Contestants are the columns of the table.
func Contestants() []Contestant {
	return []Contestant{
		LeastTime, LeastRequest, Ejecting, Hash, BoundedHash,
		LeastConn, PassiveLeastConn, RandomChoose, RoundRobin, Random, First, IPHash,
		HAProxyLeastConn, NginxLeastConn, PeakEWMA,
	}
}
