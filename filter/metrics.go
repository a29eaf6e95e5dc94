package filter

import (
	"errors"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// The collector lives as long as the process; every configuration has its own
// registry, and it is registered with each.
var requestsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
	Namespace: "caddy", Subsystem: "request_filter", Name: "requests_total",
	Help: "Requests by what became of them (pass, detect, block) and why.",
}, []string{"action", "reason"})

// requestsSeen are its series, looked up once. A request that passes has no
// reason.
var requestsSeen = func() (all [actions][reasons]prometheus.Counter) {
	for a := range action(actions) {
		for r := range reason(reasons) {
			if (a == actionPass) == (r == reasonNone) {
				all[a][r] = requestsTotal.WithLabelValues(a.String(), r.String())
			}
		}
	}
	return all
}()

func registerRequests(ctx caddy.Context) error {
	var already prometheus.AlreadyRegisteredError
	if err := ctx.GetMetricsRegistry().Register(requestsTotal); err != nil && !errors.As(err, &already) {
		return err
	}
	return nil
}
