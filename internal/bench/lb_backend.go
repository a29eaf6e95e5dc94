package main

import (
	"context"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// lbBackend is a server behind a real socket that only waits: requests queue
// for its places, and a place is taken for an exponentially distributed time.
// Waiting costs no CPU, so backends, load and proxy do not slow each other down.
type lbBackend struct {
	addr    string
	server  *http.Server
	places  chan struct{}
	factor  atomic.Uint64 // float64 bits: times as slow
	failing atomic.Bool
	instant bool
	served  atomic.Int64
}

func newLBBackend() (*lbBackend, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &lbBackend{addr: l.Addr().String(), places: make(chan struct{}, lbPlaces)}
	b.slow(1)
	b.server = &http.Server{Handler: b}
	go func() { _ = b.server.Serve(l) }()
	return b, nil
}

func (b *lbBackend) slow(factor float64) { b.factor.Store(math.Float64bits(factor)) }
func (b *lbBackend) close()              { b.server.Close() }

// ServeHTTP implements http.Handler.
func (b *lbBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.served.Add(1)
	if b.failing.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if !b.instant && !b.work(r.Context()) {
		return
	}
	_, _ = io.WriteString(w, "sixteen bytes..\n")
}

// work takes a place for a while.
func (b *lbBackend) work(ctx context.Context) bool {
	select {
	case b.places <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	defer func() { <-b.places }()
	took := rand.ExpFloat64() * float64(lbMean) * math.Float64frombits(b.factor.Load())
	select {
	case <-time.After(time.Duration(took)):
		return true
	case <-ctx.Done():
		return false
	}
}

// openOutcome is what an open loop saw.
type openOutcome struct {
	requests, errors int
	times            []time.Duration // of good answers, from when they were meant to leave
}

// openLoop sends requests at random times, rate of them a second on average,
// whether or not earlier ones have been answered, and waits for all answers.
func openLoop(ctx context.Context, addr string, rate float64, d time.Duration, dice *rand.Rand) (o openOutcome) {
	transport := &http.Transport{MaxIdleConnsPerHost: 1000, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	var mu sync.Mutex
	var all sync.WaitGroup
	start := time.Now()
	for at := time.Duration(0); at < d && ctx.Err() == nil; at += time.Duration(dice.ExpFloat64() / rate * float64(time.Second)) {
		meant := start.Add(at)
		time.Sleep(time.Until(meant))
		o.requests++
		all.Go(func() {
			good := fetchOK(ctx, client, "http://"+addr+"/")
			took := time.Since(meant)
			mu.Lock()
			defer mu.Unlock()
			if good {
				o.times = append(o.times, took)
			} else {
				o.errors++
			}
		})
	}
	all.Wait()
	return o
}

func fetchOK(ctx context.Context, client *http.Client, url string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := client.Do(r)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err == nil && res.StatusCode == http.StatusOK
}
