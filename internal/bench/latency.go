package main

import (
	"fmt"
	"time"
)

// slice is how long a contestant is asked before the next one's turn when
// latencies are compared: much shorter than most disturbances.
const slice = 50 * time.Millisecond

// latency is the times to first byte of one contestant.
type latency struct {
	contestant
	conns  int
	ttfb   []time.Duration
	p50    []float64 // per round, seconds
	p99    []float64
	cpu    []float64 // seconds for a million requests, from a turn of its own
	allocs []float64
	errors int
}

// latencies interleaves the contestants in short slices, with kept-alive
// connections, every request on a target of its own.
func (b *bench) latencies(contestants []contestant, prefix string, conns int) ([]latency, error) {
	all := make([]latency, len(contestants))
	clients := make([][]*client, len(contestants))
	for i, c := range contestants {
		all[i] = latency{contestant: c, conns: conns}
		clients[i] = newClients(c.addr, conns)
		defer closeClients(clients[i])
		closedLoop(b.ctx, clients[i], 4*slice, numbered(fmt.Sprint(prefix, "&warm=", conns, ".", i, ".")))
	}
	for round := range b.rounds {
		times := make([][]time.Duration, len(contestants))
		for spent := time.Duration(0); spent < b.duration; spent += slice {
			for i := range all {
				target := numbered(fmt.Sprint(prefix, "&u=", conns, ".", i, ".", round, ".", spent.Milliseconds(), "."))
				o, ttfb := closedLoop(b.ctx, clients[i], slice, target)
				times[i] = append(times[i], ttfb...)
				all[i].errors += o.errors
			}
		}
		for i := range all {
			all[i].p50 = append(all[i].p50, quantile(times[i], 0.50))
			all[i].p99 = append(all[i].p99, quantile(times[i], 0.99))
			all[i].ttfb = append(all[i].ttfb, times[i]...)
			b.cost(&all[i], clients[i], fmt.Sprint(prefix, "&cost=", conns, ".", i, ".", round, "."))
		}
		if err := b.ctx.Err(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// cost adds the CPU time and the allocations of one undivided second.
func (b *bench) cost(l *latency, clients []*client, prefix string) {
	mallocs, cpu := l.server.mallocs(), cpuSeconds(l.server.pid())
	o, _ := closedLoop(b.ctx, clients, time.Second, numbered(prefix))
	cpu, mallocs = cpuSeconds(l.server.pid())-cpu, l.server.mallocs()-mallocs
	l.cpu = append(l.cpu, cpu/float64(o.requests)*1e6)
	l.allocs = append(l.allocs, mallocs/float64(o.requests))
	l.errors += o.errors
}

// latencyRows adds the contestants to the table, compared with the first.
func latencyRows(t *table, what string, all []latency) {
	base := all[0]
	for _, l := range all {
		t.add(l.name, what, fmt.Sprint(l.conns), micros(quantile(l.ttfb, 0.50)), micros(quantile(l.ttfb, 0.99)),
			figure(median(ratios(l.p50, base.p50)), 3), figure(median(ratios(l.p99, base.p99)), 3),
			figure(median(l.cpu), 0), figure(median(l.allocs), 1), fmt.Sprint(len(l.ttfb)), fmt.Sprint(l.errors))
	}
}

var latencyHead = []string{
	"Contestant", "what", "conns", "TTFB median µs", "p99 µs", "median ratio", "p99 ratio",
	"CPU s/M req", "allocs/req", "requests", "errors",
}
