package lbpolicy

import (
	"errors"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// provisionMetrics registers the collector with the configuration's registry.
func provisionMetrics(ctx caddy.Context) error {
	var already prometheus.AlreadyRegisteredError
	if err := ctx.GetMetricsRegistry().Register(collector{}); err != nil && !errors.As(err, &already) {
		return err
	}
	return nil
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("caddy_load_balancing_"+name, help, append([]string{"upstream"}, labels...), nil)
}

var (
	requestsDesc = desc("requests_total", "Attempts by upstream and what became of them.", "class")
	latencyDesc  = desc("latency_seconds", "Time from sending a request to the head of the response.")
	inFlightDesc = desc("in_flight", "Requests at the upstream now.")
	ejectedDesc  = desc("ejected", "Whether a policy has ejected the upstream (1) or not (0).")
	weightDesc   = desc("weight", "Weight set through the admin API; absent if it is as configured.")
	drainDesc    = desc("draining", "Whether the upstream is drained through the admin API.")
	waitingDesc  = prometheus.NewDesc("caddy_load_balancing_queue",
		"Requests that wait for a slot at an upstream.", nil, nil)
	queuedDesc = prometheus.NewDesc("caddy_load_balancing_queued_total",
		"Requests that found no slot, by what became of them.", []string{"result"}, nil)
	descs = []*prometheus.Desc{requestsDesc, latencyDesc, inFlightDesc, ejectedDesc, weightDesc, drainDesc, waitingDesc, queuedDesc}
)

// collector reads the state of the upstreams in use when it is asked. An
// upstream that is forgotten takes its series with it.
type collector struct{}

// Describe implements prometheus.Collector.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (collector) Collect(ch chan<- prometheus.Metric) {
	eachUpstream(func(u *upstream) { u.collect(ch) })
	waiting := 0
	for _, q := range queues.all() {
		waiting += q.len()
	}
	ch <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(waiting))
	for result, n := range map[string]uint64{
		"served":   queued.served.Load(),
		"refused":  queued.refused.Load(),
		"timeout":  queued.timedOut.Load(),
		"canceled": queued.canceled.Load(),
	} {
		ch <- prometheus.MustNewConstMetric(queuedDesc, prometheus.CounterValue, float64(n), result)
	}
}

func (u *upstream) collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, u.address)
	}
	for cl := range classes {
		n := float64(u.counts[cl].Load())
		ch <- prometheus.MustNewConstMetric(requestsDesc, prometheus.CounterValue, n, u.address, cl.String())
	}
	count, sum, buckets := u.latency.read()
	ch <- prometheus.MustNewConstHistogram(latencyDesc, count, sum, buckets, u.address)
	gauge(inFlightDesc, float64(u.requests()))
	gauge(drainDesc, boolean(u.drained.Load()))
	gauge(ejectedDesc, boolean(len(ejectionsOf(u.address)) > 0))
	if w := u.override.Load(); w > 0 {
		gauge(weightDesc, float64(w-1))
	}
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
