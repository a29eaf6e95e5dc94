package lbpolicy

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-portico/portico/lbpolicy/eject"
)

// maxWeight bounds weights: more would make shares too small to ever be served.
const maxWeight = 1000

// Options are what every policy can do beside choosing.
type Options struct {
	// The share of each upstream relative to the others', by address as it is in
	// the list of upstreams: a whole number up to 1000. 0 takes an upstream out.
	// The admin API can change it while Caddy runs. Default: `1` each.
	Weight map[string]int `json:"weight,omitempty"`

	// How long an upstream that is new or comes back gets a growing part of its
	// weight, from a tenth to all of it, so that its caches can warm up. When
	// Caddy itself starts, nothing is held back. Default: `0`, the whole weight at once.
	SlowStart caddy.Duration `json:"slow_start,omitempty"`

	// Takes upstreams that fail more than the others out for a while. An empty
	// object means the defaults of its fields. Default: nothing is ejected.
	Eject *Ejection `json:"eject,omitempty"`

	// Lets requests wait while all upstreams have as many as `max_requests` (or
	// `unhealthy_request_count` of the passive health checks) allows. Default:
	// they are answered 503 at once.
	Queue *Queue `json:"queue,omitempty"`

	// How many retries there may be for a hundred requests; ten a second are always
	// allowed. Retries themselves are configured with `lb_retries` or
	// `lb_try_duration`. Default: `0`, no limit.
	RetryBudget float64 `json:"retry_budget,omitempty"`
}

// Ejection says when an upstream is ejected, and for how long. In all of
// it, 0 means the default. The requests of each policy are judged by themselves.
type Ejection struct {
	// How many failures in a row eject at once: no connection, no response, 429,
	// or 5xx (other than 501 and 505). Negative: off. Default: `5`.
	Failures int `json:"failures,omitempty"`

	// The percentage of failures in an interval that ejects, if the other
	// upstreams fail less. Negative: off. Default: `85`.
	FailurePercent float64 `json:"failure_percent,omitempty"`

	// By how many percentage points more than the median of the others an upstream
	// must fail in an interval to be ejected. Negative: off. Default: `20`.
	Margin float64 `json:"margin,omitempty"`

	// How many times as long as the median of the others an upstream must take to
	// be ejected. Default: `0`, off.
	Slower float64 `json:"slower,omitempty"`

	// How many requests in an interval an upstream must have to be compared with
	// the others. Default: `20`.
	MinRequests int `json:"min_requests,omitempty"`

	// How long requests are counted before upstreams are compared. Default: `10s`.
	Interval caddy.Duration `json:"interval,omitempty"`

	// How long an upstream is ejected the first time; each time soon after that
	// adds as much. Default: `10s`.
	For caddy.Duration `json:"for,omitempty"`

	// The longest time it is ejected for. Default: `1m`, or `for` if that is longer.
	UpTo caddy.Duration `json:"up_to,omitempty"`

	// The percentage of the pool that may be ejected at a time; one of two
	// always may. When as much fails, the fault is elsewhere. Default: `50`.
	MaxEjected float64 `json:"max_ejected,omitempty"`
}

// Queue is where requests wait for a place at an upstream.
type Queue struct {
	// How many may wait; the next is answered 503. Required.
	Max int `json:"max"`

	// How long one waits before it is answered 503. Required.
	Timeout caddy.Duration `json:"timeout"`
}

// validate checks what the fields say by themselves.
func (o *Options) validate() error {
	for address, w := range o.Weight {
		if w < 0 || w > maxWeight {
			return fmt.Errorf("weight: %s: %d is not a whole number from 0 to %d", address, w, maxWeight)
		}
	}
	if err := checkDuration("slow_start", o.SlowStart); err != nil {
		return err
	}
	if o.RetryBudget < 0 || o.RetryBudget > 100 {
		return fmt.Errorf("retry_budget: %v is not a percentage up to 100", o.RetryBudget)
	}
	if o.Queue != nil && o.Queue.Max <= 0 {
		return errors.New("queue: max must be at least 1")
	}
	if o.Queue != nil && o.Queue.Timeout <= 0 {
		return errors.New("queue: timeout must be longer than zero")
	}
	if o.Eject != nil {
		if err := o.Eject.validate(); err != nil {
			return fmt.Errorf("eject: %w", err)
		}
	}
	return nil
}

func (e *Ejection) validate() error {
	for name, d := range map[string]caddy.Duration{"interval": e.Interval, "for": e.For, "up_to": e.UpTo} {
		if err := checkDuration(name, d); err != nil {
			return err
		}
	}
	switch {
	case e.UpTo > 0 && e.UpTo < e.For:
		return fmt.Errorf("for: %s is longer than up_to, %s", time.Duration(e.For), time.Duration(e.UpTo))
	case e.FailurePercent > 100:
		return fmt.Errorf("failure_percent: %v is more than 100", e.FailurePercent)
	case e.Margin > 100:
		return fmt.Errorf("margin: %v is more than 100", e.Margin)
	case e.MaxEjected < 0 || e.MaxEjected > 100:
		return fmt.Errorf("max_ejected: %v is not a percentage", e.MaxEjected)
	case e.Slower != 0 && (e.Slower <= 1 || e.Slower > 1000):
		return fmt.Errorf("slower: %v is not a number above 1, up to 1000", e.Slower)
	case e.MinRequests < 0:
		return fmt.Errorf("min_requests: %d is negative", e.MinRequests)
	}
	return nil
}

// config is what the detector understands.
func (e *Ejection) config() eject.Config {
	return eject.Config{
		Consecutive:    e.Failures,
		FailurePercent: e.FailurePercent,
		Margin:         e.Margin,
		Slower:         e.Slower,
		MinRequests:    e.MinRequests,
		Interval:       time.Duration(e.Interval),
		Base:           time.Duration(e.For),
		Max:            time.Duration(e.UpTo),
		MaxEjected:     e.MaxEjected / 100,
	}
}

// subdirectives are the options of the Caddyfile that every policy has.
func (o *Options) subdirectives() vocabulary {
	return vocabulary{
		"weight":     {parse: o.parseWeight, repeat: true},
		"slow_start": {parse: func(d *caddyfile.Dispenser) error { return parseArg(d, &o.SlowStart, duration) }},
		"eject":      {parse: o.parseEject, block: true},
		"queue":      {parse: o.parseQueue},
		"retry_budget": {parse: func(d *caddyfile.Dispenser) error {
			return parseArg(d, &o.RetryBudget, percent(0.1, 100))
		}},
	}
}

// parseWeight reads `weight <address> <n>`.
func (o *Options) parseWeight(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) != 2 {
		return errArguments
	}
	if _, twice := o.Weight[args[0]]; twice {
		return fmt.Errorf("'%s' has a weight already", args[0])
	}
	n, err := integer(0, maxWeight)(args[1])
	if err != nil {
		return err
	}
	if o.Weight == nil {
		o.Weight = make(map[string]int)
	}
	o.Weight[args[0]] = n
	return nil
}

// parseQueue reads `queue <max> <timeout>`.
func (o *Options) parseQueue(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) != 2 {
		return errArguments
	}
	most, err := integer(1, 1<<20)(args[0])
	if err != nil {
		return err
	}
	timeout, err := duration(args[1])
	if err != nil {
		return err
	}
	o.Queue = &Queue{Max: most, Timeout: timeout}
	return nil
}

// parseEject reads:
//
//	eject {
//		failures <n>|off
//		failure_percent <percent>|off
//		margin <points>|off
//		slower <times>
//		min_requests <n>
//		interval <duration>
//		for <duration> [up to <duration>]
//		max_ejected <percent>
//	}
func (o *Options) parseEject(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return fmt.Errorf("unexpected argument '%s'", d.Val())
	}
	e := new(Ejection)
	o.Eject = e
	number := func(to *float64, convert func(string) (float64, error)) subdirective {
		return subdirective{parse: func(d *caddyfile.Dispenser) error { return parseArg(d, to, convert) }}
	}
	return parseBlock(d, "lb_policy: eject", vocabulary{
		"failures": {parse: func(d *caddyfile.Dispenser) error {
			return parseArg(d, &e.Failures, offOr(integer(1, 1000), -1))
		}},
		"failure_percent": number(&e.FailurePercent, offOr(percent(1, 100), -1)),
		"margin":          number(&e.Margin, offOr(percent(1, 100), -1)),
		"slower":          number(&e.Slower, times(1000)),
		"min_requests": {parse: func(d *caddyfile.Dispenser) error {
			return parseArg(d, &e.MinRequests, integer(1, 1000000))
		}},
		"interval":    {parse: func(d *caddyfile.Dispenser) error { return parseArg(d, &e.Interval, duration) }},
		"for":         {parse: e.parseFor},
		"max_ejected": number(&e.MaxEjected, percent(1, 100)),
	})
}

// parseFor reads `for <duration> [up to <duration>]`.
func (e *Ejection) parseFor(d *caddyfile.Dispenser) (err error) {
	args := d.RemainingArgs()
	if len(args) != 1 && (len(args) != 4 || strings.Join(args[1:3], " ") != "up to") {
		return errArguments
	}
	if e.For, err = duration(args[0]); err != nil {
		return err
	}
	if len(args) == 4 {
		if e.UpTo, err = duration(args[3]); err == nil && e.UpTo < e.For {
			err = fmt.Errorf("'%s' is longer than '%s'", args[0], args[3])
		}
	}
	return err
}
