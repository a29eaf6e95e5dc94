package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// An lbScenario is three backends of which the second may have something.
//
// Requests arrive by themselves (open loop, Poisson), at lbLoad of what three
// healthy backends can do, and each is timed from when it was meant to leave:
// what waits is not left out.
type lbScenario struct {
	name  string
	shows string
	sick  func(*lbBackend, string) // the second backend before ("begin"), in and after ("end") the middle half of a turn
}

const (
	lbMean   = 20 * time.Millisecond // of a backend's service time, exponentially distributed
	lbPlaces = 4                     // requests a backend serves at a time; others wait there
	lbLoad   = 0.5
	lbRate   = lbLoad * 3 * lbPlaces / 0.020 // requests a second
	lbWarmUp = 500 * time.Millisecond        // of each turn, not counted
)

var lbScenarios = []lbScenario{
	{"lb-equal", "three equal backends", func(*lbBackend, string) {}},
	{"lb-slow", "one of three backends takes three times as long", func(b *lbBackend, phase string) {
		if phase == "begin" {
			b.slow(3)
		}
	}},
	{"lb-degrade", "one of three backends takes ten times as long in the middle half of each turn", func(b *lbBackend, phase string) {
		b.slow(map[string]float64{"begin": 1, "middle": 10, "end": 1}[phase])
	}},
	{"lb-failing", "one of three backends answers 503 at once", func(b *lbBackend, _ string) { b.failing.Store(true) }},
	{"lb-gone", "nothing listens at one of three addresses; no retries", func(b *lbBackend, phase string) {
		if phase == "begin" {
			b.close()
		}
	}},
}

// run measures a scenario.
func (s lbScenario) run(b *bench) error {
	contestants, stop, err := b.lbContestants()
	if err != nil {
		return err
	}
	defer stop()
	all := make([]lbResult, len(contestants))
	for i := range all {
		all[i] = lbResult{lbContestant: contestants[i]}
	}
	for round := range b.rounds {
		seed := uint64(round)
		for _, i := range rand.New(rand.NewPCG(seed, 0)).Perm(len(all)) { // interleaved, in another order each round
			s.turn(b, &all[i], rand.New(rand.NewPCG(seed, 1))) // the same arrivals for everybody
			if err := b.ctx.Err(); err != nil {
				return err
			}
		}
	}
	b.lbReport(s, all)
	return nil
}

// turn is one contestant's in one round.
func (s lbScenario) turn(b *bench, r *lbResult, dice *rand.Rand) {
	sick := r.backends[1]
	s.sick(sick, "begin")
	openLoop(b.ctx, r.addr, lbRate, lbWarmUp, dice)
	sick.served.Store(0)
	middle := time.AfterFunc(b.duration/4, func() { s.sick(sick, "middle") })
	end := time.AfterFunc(3*b.duration/4, func() { s.sick(sick, "end") })
	got := openLoop(b.ctx, r.addr, lbRate, b.duration, dice)
	middle.Stop()
	end.Stop()
	r.times = append(r.times, got.times...)
	r.p99 = append(r.p99, quantile(got.times, 0.99))
	r.requests += got.requests
	r.errors += got.errors
	r.sick += int(sick.served.Load())
}

// lbResult is what one contestant did.
type lbResult struct {
	lbContestant
	times            []time.Duration // of good answers
	p99              []float64       // per round
	requests, errors int
	sick             int // requests at the second backend
}

func (b *bench) lbReport(s lbScenario, all []lbResult) {
	t := table{head: []string{"Contestant", "p50 ms", "p90 ms", "p99 ms", "p99 ratio", "errors %", "to the 2nd %", "requests"}}
	base := all[0].p99
	for _, r := range all {
		if r.name == lbBaseline {
			base = r.p99
		}
	}
	for _, r := range all {
		percent := func(n int) string { return figure(100*float64(n)/float64(max(r.requests, 1)), 1) }
		t.add(r.name, millis(quantile(r.times, 0.5)), millis(quantile(r.times, 0.9)), millis(quantile(r.times, 0.99)),
			figure(median(ratios(r.p99, base)), 2), percent(r.errors), percent(r.sick), fmt.Sprint(r.requests))
	}
	b.report.table(t)
	b.report.note("Ratios to %s, median of the rounds. %.0f requests a second, %.0f %% of what three healthy backends can do.",
		lbBaseline, lbRate, 100*lbLoad)
	ours := all[0]
	switch s.name {
	case "lb-equal":
		b.report.target("lb-equal: p99 of least_time over "+lbBaseline, median(ratios(ours.p99, base)), 1.1, false)
	case "lb-failing", "lb-gone":
		b.report.target(s.name+": errors of least_time, %", 100*float64(ours.errors)/math.Max(1, float64(ours.requests)), 2, false)
	default:
		b.report.target(s.name+": p99 of least_time over "+lbBaseline, median(ratios(ours.p99, base)), 1, false)
	}
}

// runLBCost compares what the policies cost with a backend that costs nothing.
func runLBCost(b *bench) error {
	var upstreams []*lbBackend
	for range 3 {
		backend, err := newLBBackend()
		if err != nil {
			return err
		}
		defer backend.close()
		backend.instant = true
		upstreams = append(upstreams, backend)
	}
	server, contestants, err := b.startCaddy("", nil,
		lbSite(lbBaseline, "least_conn", upstreams), lbSite("least_time", "least_time", upstreams),
		lbSite("least_request", "least_request", upstreams), lbSite("sticky", "sticky", upstreams),
		lbSite("Caddy round_robin", "round_robin", upstreams))
	if err != nil {
		return err
	}
	defer server.stop()
	t := table{head: []string{"Contestant", "conns", "requests/s", "ratio", "CPU s/M req", "allocs/req", "errors"}}
	for _, conns := range b.conns {
		all, err := b.throughput(contestants, "/", conns)
		if err != nil {
			return err
		}
		for _, s := range all {
			t.add(s.name, fmt.Sprint(conns), figure(median(s.rps), 0), figure(median(ratios(s.rps, all[0].rps)), 3),
				figure(median(s.cpu), 1), figure(median(s.allocs), 1), fmt.Sprint(s.errors))
		}
		b.report.target(fmt.Sprintf("lb-cost: throughput of least_time over least_conn, %d connections", conns),
			median(ratios(all[1].rps, all[0].rps)), 0.97, true)
	}
	b.report.table(t)
	return nil
}
