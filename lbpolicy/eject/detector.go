package eject

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Detector watches the hosts of one pool.
type Detector struct {
	cfg  Config
	next atomic.Int64 // when the interval ends

	mu    sync.Mutex
	hosts []*Host
}

// New returns a detector of an empty pool.
func New(cfg Config) *Detector { return &Detector{cfg: cfg.withDefaults()} }

// Add returns a new host of the pool.
func (d *Detector) Add() *Host {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := &Host{detector: d}
	d.hosts = append(d.hosts, h)
	return h
}

// Remove forgets a host that has left the pool.
func (d *Detector) Remove(h *Host) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hosts = slices.DeleteFunc(d.hosts, func(o *Host) bool { return o == h })
}

// sweepIfDue compares the hosts when the interval is over. Only one caller does.
func (d *Detector) sweepIfDue(now time.Duration) {
	next := d.next.Load()
	if int64(now) < next || !d.next.CompareAndSwap(next, int64(now+d.cfg.Interval)) || next == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sweep(now)
}

const (
	// recent is the weight of the last request in a host's failure rate.
	recent = 1.0 / 32
	// unlikely is the probability that so many failures in a row are chance.
	unlikely = 1e-6
)

// failedInARow ejects a host for failures in a row, if so many are not to be
// expected where the others fail as often as they do: a broken route fails
// everywhere, and a broken database makes every host fail.
func (d *Detector) failedInARow(h *Host, now time.Duration, row int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var sum, n float64
	for _, o := range d.hosts {
		if o != h && !o.out() {
			sum += o.failing()
			n++
		}
	}
	if n > 0 && !h.out() && math.Pow(sum/n, float64(row)) < unlikely {
		d.eject(h, now, ConsecutiveFailures)
	}
}

// eject takes a host out unless too many are out already. d.mu is held.
func (d *Detector) eject(h *Host, now time.Duration, why Reason) bool {
	out := 0
	for _, o := range d.hosts {
		if o != h && o.out() {
			out++
		}
	}
	n := len(d.hosts)
	if out > 0 && float64(out+1) > d.cfg.MaxEjected*float64(n) || out+1 >= n {
		return false
	}
	h.times++
	lasts := min(d.cfg.Base*time.Duration(h.times), d.cfg.Max)
	h.why.Store(uint32(why))
	h.claimed.Store(0)
	h.consecutive.Store(0)
	h.until.Store(int64(now+lasts) + 1)
	return true
}
