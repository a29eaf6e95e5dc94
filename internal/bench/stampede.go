package main

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	crowd       = 1000
	originTakes = 300 * time.Millisecond
)

// stampede is what came of one crowd.
type stampede struct {
	fetches  int // requests the origin saw
	failures int
	ttfb     []time.Duration
}

// runStampede lets a crowd ask for one cold key at the same moment: once for
// something that may be stored, once for something that must not be shared.
func runStampede(b *bench) error {
	s, contestants, err := b.startCaddy(storeOf("memory 64MiB"), nil, b.cached(""))
	if err != nil {
		b.report.notTaken("response_cache", err)
	} else {
		defer s.stop()
	}
	peers, stop := b.peers()
	defer stop()
	contestants = append(contestants, peers...)
	if len(contestants) == 0 {
		return errors.New("nobody to measure")
	}
	t := table{head: []string{"Contestant", "answer", "origin requests", "TTFB first ms", "median ms", "last ms", "errors"}}
	for _, cc := range []string{"max-age=600", "no-store"} {
		results := b.stampedes(contestants, cc)
		for i, c := range contestants {
			r := results[i]
			t.add(c.name, cc, fmt.Sprint(r.fetches), millis(quantile(r.ttfb, 0)), millis(quantile(r.ttfb, 0.5)),
				millis(quantile(r.ttfb, 1)), fmt.Sprint(r.failures))
			if c.server == s && s != nil {
				b.stampedeTargets(cc, r)
			}
		}
	}
	b.report.table(t)
	b.report.note("%d clients, the origin takes %v; origin requests are the worst round, errors the sum of %d rounds.", crowd, originTakes, b.rounds)
	return b.ctx.Err()
}

// stampedeTargets: what may be shared is fetched once, what may not be is
// fetched for everybody and never in a queue.
func (b *bench) stampedeTargets(cc string, r stampede) {
	b.report.target("stampede, "+cc+": errors", float64(r.failures), 0, false)
	if cc == "no-store" {
		last := quantile(r.ttfb, 1) / originTakes.Seconds()
		b.report.target("stampede, no-store: last first byte ≤ 10 origin times (a queue takes 1000)", last, 10, false)
		return
	}
	b.report.target("stampede, "+cc+": origin requests", float64(r.fetches), 1, false)
}

// stampedes lets every contestant take one stampede in each round, on a
// fresh key.
func (b *bench) stampedes(contestants []contestant, cc string) []stampede {
	results := make([]stampede, len(contestants))
	for round := range b.rounds {
		for i, c := range contestants {
			if b.ctx.Err() != nil {
				return results
			}
			path := fmt.Sprintf("/bytes/stampede-%s-%d-%d", cc, i, round)
			ttfb := rush(c.addr, path+"?n=10240&delay="+originTakes.String()+"&cc="+cc)
			r := &results[i]
			r.fetches = max(r.fetches, b.origin.Count(path))
			r.failures += crowd - len(ttfb)
			r.ttfb = append(r.ttfb, ttfb...)
		}
	}
	return results
}

// rush connects the crowd, then lets all ask at once. It returns the times
// to first byte of the complete and correct answers.
func rush(addr, target string) []time.Duration {
	clients := newClients(addr, crowd)
	defer closeClients(clients)
	times := make([]time.Duration, crowd)
	var connected, done sync.WaitGroup
	start := make(chan struct{})
	for i, c := range clients {
		times[i] = math.MaxInt64
		connected.Add(1)
		done.Go(func() {
			err := c.dial()
			connected.Done()
			<-start
			if err != nil {
				return
			}
			if r, err := c.get(target, nil); err == nil && r.status == http.StatusOK && r.length == 10240 {
				times[i] = r.ttfb
			}
		})
	}
	connected.Wait()
	close(start)
	done.Wait()
	return slices.DeleteFunc(times, func(d time.Duration) bool { return d == math.MaxInt64 })
}
