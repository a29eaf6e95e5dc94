package estimate

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// The weight of the past is bounded, in samples: a change of the latency shows
	// after a few dozen answers even on a host that gets thousands a second. The
	// success rate needs more: it is a mean of zeros and ones.
	mostLatencies = 64
	mostOutcomes  = 128
	// outlandish is how many times the expected latency one answer counts at most:
	// one long poll among a hundred requests must not make a host look slow.
	outlandish = 4
	// shortest is the least latency: 0 means that it is unknown.
	shortest = time.Microsecond
	// trialWeight is the weight left to the past when a trial answers.
	trialWeight = 4
	// failureCost is what a failed attempt costs, in times of a successful one.
	failureCost = 20
	// silent is how many times the predicted latency must pass without an answer
	// before silence counts.
	silent = 3
	// encouraging is how much better than expected a trial must be for the next
	// one to be due at once.
	encouraging = 0.6
	// mostPromise bounds what encouraging trials are worth later.
	mostPromise = 8
	// alike is up to which Factor a host counts as well. More would leave it at the
	// edge, where it gets neither its share nor trials.
	alike = 0.05
	// passes is how many requests must have gone past a host that looks bad
	// before it gets another trial, so that trials stay below half a percent of
	// the requests even where there are few; maxUntried bounds how long that lasts.
	// urgentPasses is how many it takes while the others are strained.
	passes       = 200
	urgentPasses = 100
	maxUntried   = 5 * time.Minute
	// patience is how long a trial may take before there is another one.
	patience = 30 * time.Second
	// news is how old what Predict reads may be on a host of which much is known, and
	// dueStep by how much the next trial is put off at a time: thousands of answers a
	// second need not each cost a fit and the stores that other CPUs wait for.
	news    = time.Millisecond
	dueStep = time.Millisecond
)

// Host is what is known about one upstream. Use [NewHost].
type Host struct {
	// What Predict reads, published by End: one cache line of 64 bytes, because every
	// choice reads it of every host.
	published publishedCurve
	factor    atomic.Uint32 // float32: by how much failures lengthen the way to a success
	pending   atomic.Int64  // when the first request left since the last outcome, plus 1; or 0

	waiting  atomic.Int32 // requests without an outcome
	trialDue atomic.Int64 // when the next trial may leave
	rest     atomic.Int64 // until when the host asked to be left alone
	passed   atomic.Int64 // requests that went past the host since then
	trialAt  atomic.Int64 // when a trial was granted that has no outcome yet, plus 1; or 0

	// mu guards what follows.
	mu      sync.Mutex
	fitted  time.Duration // when the curve was published
	ended   uint64        // outcomes
	promise int           // how many trials that are not encouraging lead to the next one at once
	success mean
	latency curve
	cfg     Config
}

// NewHost returns a host of which nothing is known.
func NewHost(cfg Config) *Host {
	h := &Host{cfg: cfg.withDefaults()}
	h.factor.Store(math.Float32bits(1))
	return h
}

// Begin notes that a request leaves for the host. End must follow.
func (h *Host) Begin(now time.Duration) {
	h.waiting.Add(1)
	if h.pending.Load() == 0 {
		h.pending.CompareAndSwap(0, int64(now)+1)
	}
}

// End notes what became of a request.
func (h *Host) End(now time.Duration, o Outcome) {
	h.mu.Lock()
	defer h.mu.Unlock()
	o.RIF, o.Latency = max(o.RIF, 1), max(o.Latency, shortest)
	expected := h.published.at(o.RIF)
	at := h.trialAt.Load()
	trial := at != 0 && int64(now-o.Latency)+1 >= at // what left earlier says nothing
	if trial {
		h.trialAt.Store(0)
		h.latency.forget(trialWeight)
		h.success.forget(trialWeight)
	}
	h.learnLatency(now, o, expected, trial)
	h.learnSuccess(now, o.Kind)
	h.publish(now, trial)
	h.scheduleTrial(now, o, expected, trial)
	h.ended++
	h.waiting.Add(-1)
	h.pending.Store(0)
}

// publish lets Predict know, at once while little is known or after a trial.
func (h *Host) publish(now time.Duration, trial bool) {
	if now-h.fitted < news && !trial && h.published.weight() > mostLatencies/2 {
		return
	}
	h.fitted = now
	h.published.store(&h.latency, now, h.cfg.Decay)
}

// learnLatency feeds the curve. What failed or was cancelled can only raise it.
func (h *Host) learnLatency(now time.Duration, o Outcome, expected float32, trial bool) {
	seconds := float32(o.Latency.Seconds())
	if o.Kind != Success && (expected == 0 || seconds <= expected) {
		return
	}
	if expected > 0 {
		seconds = min(seconds, outlandish*expected)
	}
	// The past in which a long request was sent has faded as well.
	weight := fading(o.Latency, h.cfg.Decay)
	b := bucket(o.RIF)
	before := h.latency[b].value
	h.latency.observe(now, h.cfg.Decay, b, seconds, weight)
	if after := h.latency[b].value; trial && after < before {
		// A host that is faster with few requests is faster with many.
		h.latency.scale(after/before, b)
	}
}

func (h *Host) learnSuccess(now time.Duration, k Kind) {
	switch k {
	case Success:
		h.success.observe(now, h.cfg.Decay, mostOutcomes, 1, 1)
	case Failure:
		h.success.observe(now, h.cfg.Decay, mostOutcomes, 0, 1)
	case Canceled: // says nothing
		return
	}
	s := max(h.success.shrunk(now, h.cfg.Decay, 1), 1e-3)
	publishFloat(&h.factor, 1+failureCost*(1-s)/s)
}

// scheduleTrial says when a trial may leave, should the host look bad: at once
// after one that went well, otherwise a while after the last request of which
// something was heard had left. An answer to what left long ago puts off nothing,
// nor does the success of a request that came to a recovering host by itself.
func (h *Host) scheduleTrial(now time.Duration, o Outcome, expected float32, trial bool) {
	switch {
	case o.Kind != Success:
		h.promise = 0
	case trial && h.recovers(float32(o.Latency.Seconds()), expected):
		h.passed.Store(passes)
		h.rest.Store(int64(now))
		h.trialDue.Store(int64(now))
		return
	case !trial && h.passed.Load() >= passes:
		return
	}
	due := now - o.Latency + h.cfg.TrialEvery
	if o.Kind == Failure {
		rest := max(now+min(o.RetryAfter, h.cfg.MaxRest), time.Duration(h.rest.Load()))
		h.rest.Store(int64(rest))
		due = max(due, rest)
	}
	if int64(due) > h.trialDue.Load()+int64(dueStep) {
		h.passed.Store(0)
		h.trialDue.Store(int64(due))
	}
}

// recovers reports a successful trial after which the next one is due at once: it was
// encouraging, or those before it were. A host that is well gives a slow answer
// now and then, and should not have to wait for the next trial because of one.
func (h *Host) recovers(seconds, expected float32) bool {
	if seconds < encouraging*expected || h.Factor() > 1+alike {
		h.promise = min(h.promise+1, mostPromise)
		return true
	}
	h.promise -= 2
	if h.promise < 0 {
		h.promise = 0
		return false
	}
	return true
}

// Prediction is what one more request on a host may expect.
type Prediction struct {
	// Latency is the time to the response header in seconds; 0 if nothing is
	// known of it.
	Latency float64
	// Cost is Latency plus by how much that is longer than on the idle host. What
	// a request has to wait there, it also makes others wait: whoever sends each
	// request where that one is answered first fills the fast hosts until they
	// are as slow as the slow ones. 0 if nothing is known.
	Cost float64
	// Factor is by how much failures lengthen the way to a success: 1 if there
	// are none.
	Factor float64
	// Samples is on how many answers Latency and Cost rest. Old ones count less; no
	// more than some 64 are remembered.
	Samples float64
}

// Strained reports that it would take more than twice as long as on the idle host.
func (p Prediction) Strained() bool { return 2*p.Cost > 3*p.Latency }

// Predict says what a request may expect that would be the rif-th in flight on
// the host.
func (h *Host) Predict(now time.Duration, rif int) Prediction {
	latency := float64(h.published.at(max(rif, 1)))
	cost := 2*latency - float64(h.published.idle())
	if since := h.pending.Load(); since != 0 && latency > 0 {
		if quiet := (now - time.Duration(since-1)).Seconds(); quiet > silent*latency {
			latency, cost = quiet, max(cost, quiet)
		}
	}
	return Prediction{Latency: latency, Cost: cost, Factor: h.Factor(), Samples: float64(h.published.weight())}
}

// Factor is Prediction.Factor.
func (h *Host) Factor() float64 {
	return float64(math.Float32frombits(h.factor.Load()))
}

// Waiting is how many requests have no outcome yet.
func (h *Host) Waiting() int { return int(h.waiting.Load()) }

// Ended is how many outcomes were noted.
func (h *Host) Ended() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ended
}

// Trial is asked whenever a request goes past the host because it looks bad, and
// says whether the request should go to it all the same, to see whether it still
// is. There is one trial at a time. An urgent one, because the others are
// strained, does not wait until it is due, but for as long as the host has asked for.
// seen is the part of all requests that look at the host, which is not 1 in a large pool.
func (h *Host) Trial(now time.Duration, urgent bool, seen float64) bool {
	due, at := h.trialDue.Load(), h.trialAt.Load()
	need := int64(passes * seen)
	if urgent {
		need = int64(urgentPasses * seen)
	}
	switch {
	case int64(now) < due && (!urgent || int64(now) < h.rest.Load()):
		return false
	case at != 0 && h.Waiting() > 0 && int64(now) < at+int64(patience):
		return false
	case h.passed.Add(1) < need && int64(now) < due+int64(maxUntried):
		return false
	case !h.trialDue.CompareAndSwap(due, int64(now+h.cfg.TrialEvery)):
		return false // somebody else has it
	}
	h.passed.Store(0)
	h.trialAt.Store(int64(now) + 1)
	return true
}

// Snapshot is what is known of a host, for people and metrics.
type Snapshot struct {
	// Latency is the predicted time to the response header with nothing else in
	// flight and with what is in flight now; 0 if unknown.
	IdleLatency, Latency time.Duration
	// SuccessRate is between 0 and 1.
	SuccessRate float64
	// Factor is Prediction.Factor.
	Factor float64
	// Waiting is how many requests have no outcome yet; Ended how many had one.
	Waiting int
	Ended   uint64
}

// Snapshot reads the host.
func (h *Host) Snapshot(now time.Duration) Snapshot {
	h.mu.Lock()
	rate, ended := float64(h.success.shrunk(now, h.cfg.Decay, 1)), h.ended
	h.mu.Unlock()
	waiting := h.Waiting()
	return Snapshot{
		IdleLatency: seconds(float64(h.published.idle())),
		Latency:     seconds(h.Predict(now, waiting+1).Latency),
		SuccessRate: rate,
		Factor:      h.Factor(),
		Waiting:     waiting,
		Ended:       ended,
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
