package estimate

import "time"

// Kind is what became of a request.
type Kind uint8

const (
	// Success is a response that says nothing against the host.
	Success Kind = iota
	// Failure is a transport error, a timeout, or a response that tells of a
	// broken or overloaded host (such as 502, 503, 504).
	Failure
	// Canceled is a request that the client gave up before there was a response.
	Canceled
)

// String names the kind as metrics and logs do.
func (k Kind) String() string {
	switch k {
	case Success:
		return "success"
	case Failure:
		return "failure"
	default:
		return "canceled"
	}
}

// Outcome is what became of one request that was sent to a host.
type Outcome struct {
	Kind Kind
	// Latency is the time from dispatch to the response header, or to the
	// failure or cancellation.
	Latency time.Duration
	// RIF is how many requests were in flight on the host at dispatch, this one
	// included. Less than one counts as one.
	RIF int
	// RetryAfter is how long a failed host asked to be left alone, if it did
	// (RFC 9110 §10.2.3). It is honoured up to Config.MaxRest, for as long as
	// the host keeps failing.
	RetryAfter time.Duration
}

// Config is how a Host learns. The zero value means the defaults.
type Config struct {
	// Decay is the time constant with which what is known fades. Default 10 s.
	Decay time.Duration
	// TrialEvery is the least time between two trial requests to a host that
	// looks bad, unless the last one went well. Default 3 s.
	TrialEvery time.Duration
	// MaxRest bounds Outcome.RetryAfter. Default 5 min.
	MaxRest time.Duration
}

func (c Config) withDefaults() Config {
	if c.Decay <= 0 {
		c.Decay = 10 * time.Second
	}
	if c.TrialEvery <= 0 {
		c.TrialEvery = 3 * time.Second
	}
	if c.MaxRest <= 0 {
		c.MaxRest = 5 * time.Minute
	}
	return c
}
