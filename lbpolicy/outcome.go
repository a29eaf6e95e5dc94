package lbpolicy

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddy-portico/portico/lbpolicy/estimate"
)

// A class is what became of one attempt: the classes of status codes, and the
// ways not to get one. It is what metrics count.
type class uint8

const (
	class1xx class = iota
	class2xx
	class3xx
	class4xx
	class5xx
	classConnectError // no connection: nothing was sent
	classError        // no response, or one that broke off
	classCanceled     // the client went away: it says nothing about the upstream
	classes
)

var classNames = [classes]string{"1xx", "2xx", "3xx", "4xx", "5xx", "connect_error", "error", "canceled"}

// String is the label in metrics.
func (c class) String() string { return classNames[c] }

// An outcome is what one attempt showed of its upstream.
type outcome struct {
	class      class
	status     int           // of the response, if there is one
	took       time.Duration // until the head of the response, or the error
	retryAfter time.Duration // how long the upstream wants to be left alone
	inFlight   int           // requests at the upstream when this one joined them, itself included
}

// failed reports an outcome that speaks against the upstream: one that another
// upstream might have answered better. What the application answers to a bad
// request does not.
func (o *outcome) failed() bool {
	switch o.class {
	case class5xx:
		return o.status != http.StatusNotImplemented && o.status != http.StatusHTTPVersionNotSupported
	case class4xx:
		return o.status == http.StatusTooManyRequests
	}
	return o.class == classConnectError || o.class == classError
}

func (o *outcome) kind() estimate.Kind {
	switch {
	case o.class == classCanceled:
		return estimate.Canceled
	case o.failed():
		return estimate.Failure
	}
	return estimate.Success
}

// classify says what RoundTrip's results mean. A handler that ends a request of its
// own accord, such as request_filter with a body that is too large, says that it is
// cancelled; reverse_proxy takes that for no failure either.
func classify(ctx context.Context, res *http.Response, err error) class {
	switch {
	case err == nil:
		return classOfStatus(res.StatusCode)
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return classCanceled
	}
	if _, dial := errors.AsType[reverseproxy.DialError](err); dial {
		return classConnectError
	}
	return classError
}

func classOfStatus(status int) class {
	switch status / 100 {
	case 1:
		return class1xx
	case 2:
		return class2xx
	case 3:
		return class3xx
	case 4:
		return class4xx
	}
	return class5xx
}

// retryAfter reads the delay a 429 or 503 asks for (RFC 9110 §10.2.3).
func retryAfter(res *http.Response) time.Duration {
	if res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	value := res.Header.Get("Retry-After")
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
