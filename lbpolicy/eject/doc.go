// Package eject takes hosts that answer worse than the rest out of a pool for a
// while: outlier detection, as Envoy has it (envoyproxy.io, "Outlier detection")
// and gRPC after it (gRFC A50), made to work in pools of two as well.
//
// A host goes
//
//   - at once after so many failures in a row ([Config.Consecutive]), or more
//     where the others fail too;
//   - at the end of an interval, if most of its requests failed
//     ([Config.FailurePercent]), or clearly more than on the other hosts
//     ([Config.Margin]), or if it took so many times as long as they did
//     ([Config.Slower]).
//
// Mean and standard deviation over the hosts, as in Envoy, cannot tell one bad
// host among three: it drags the mean and widens the deviation. Each host is compared
// with the median of the others instead, and the difference must be larger
// than chance explains (a two-proportion test) and, in a pool of six or more, larger
// than the hosts differ anyway (median absolute deviation).
//
// An ejection lasts Config.Base times the number of the host's recent ejections.
// Then the host gets a single trial request: a success brings it back, a failure
// ejects it again. Never more than a part of the pool is out
// ([Config.MaxEjected]), and never all of it: when everything fails, the fault is elsewhere.
//
// Everything here is pure computing, fed with clock readings; safe for concurrent use.
package eject

import "time"

// Config says what makes an outlier. The zero value means the defaults; a
// negative value switches a criterion off.
type Config struct {
	// Consecutive is how many failures in a row eject a host. Default 5.
	Consecutive int
	// FailurePercent of a host's requests in an interval, if that is also more
	// than on the other hosts. Default 85.
	FailurePercent float64
	// Margin is by how many percentage points a host must fail more often than
	// the median of the others. Default 20.
	Margin float64
	// Slower is how many times the others' median a host's mean latency must be.
	// Default 0: off, since hosts may differ on purpose.
	Slower float64
	// MinRequests is how many requests a host must have had in an interval to be
	// compared. Default 20.
	MinRequests int
	// Interval is how long requests are counted. Default 10 s.
	Interval time.Duration
	// Base is how long the first ejection lasts. Default 10 s: shorter than
	// Envoy's 30 s, since it takes a successful trial to come back.
	Base time.Duration
	// Max bounds how long an ejection lasts. Default 1 min.
	Max time.Duration
	// MaxEjected is the part of the pool in [0, 1] that may be out at a time; one
	// host of a pool of two or more always may. Default 0.5.
	MaxEjected float64
}

func (c Config) withDefaults() Config {
	set := func(v *float64, def float64) {
		if *v == 0 {
			*v = def
		}
	}
	duration := func(v *time.Duration, def time.Duration) {
		if *v <= 0 {
			*v = def
		}
	}
	if c.Consecutive == 0 {
		c.Consecutive = 5
	}
	if c.MinRequests <= 0 {
		c.MinRequests = 20
	}
	set(&c.FailurePercent, 85)
	set(&c.Margin, 20)
	set(&c.MaxEjected, 0.5)
	duration(&c.Interval, 10*time.Second)
	duration(&c.Base, 10*time.Second)
	duration(&c.Max, max(time.Minute, c.Base))
	return c
}

// Reason is why a host was ejected.
type Reason uint8

// The reasons.
const (
	None Reason = iota
	ConsecutiveFailures
	FailurePercentage
	SuccessRate
	Latency
	FailedTrial
)

// String names the reason as metrics and logs do.
func (r Reason) String() string {
	return [...]string{
		"none", "consecutive_failures", "failure_percentage", "success_rate", "latency", "failed_trial",
	}[r]
}
