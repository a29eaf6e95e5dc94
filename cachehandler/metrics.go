package cachehandler

import (
	"errors"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// The collectors live as long as the process; every configuration has its own
// registry, and they are registered with each.
var (
	requestsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "response_cache", Name: "requests_total",
		Help: "Requests by cache name, store and result.",
	}, []string{"cache", "store", "result"})

	fillsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "response_cache", Name: "fills_total",
		Help: "Storable responses by how their body ended.",
	}, []string{"cache", "store", "outcome"})

	errorsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "response_cache", Name: "store_errors_total",
		Help: "Operations a store did not carry out; their requests were passed.",
	}, []string{"store", "operation"})
)

const (
	fillStored   = "stored"
	fillAborted  = "aborted"
	fillTooLarge = "too_large"
)

// handlerMetrics are the series of one handler, looked up once.
type handlerMetrics struct {
	requests [results]prometheus.Counter
	fills    map[string]prometheus.Counter
}

func (m *handlerMetrics) count(r result) {
	if c := m.requests[r]; c != nil {
		c.Inc()
	}
}

func (m *handlerMetrics) fill(outcome string) {
	if c := m.fills[outcome]; c != nil {
		c.Inc()
	}
}

func (h *Handler) provisionMetrics(ctx caddy.Context) error {
	for r := range results {
		h.metrics.requests[r] = requestsTotal.WithLabelValues(h.Name, h.Store, r.String())
	}
	h.metrics.fills = make(map[string]prometheus.Counter)
	for _, outcome := range []string{fillStored, fillAborted, fillTooLarge} {
		h.metrics.fills[outcome] = fillsTotal.WithLabelValues(h.Name, h.Store, outcome)
	}
	for _, c := range []prometheus.Collector{requestsTotal, fillsTotal, errorsTotal, storeCollector{}} {
		var already prometheus.AlreadyRegisteredError
		if err := ctx.GetMetricsRegistry().Register(c); err != nil && !errors.As(err, &already) {
			return err
		}
	}
	return nil
}

// storeFailed notes that a store did not do what it was asked; the request
// goes on without it.
func (h *Handler) storeFailed(operation string, err error) {
	errorsTotal.WithLabelValues(h.Store, operation).Inc()
	if h.cache.complain(operation) {
		h.log.Error("store failed, passing", zap.String("store", h.Store), zap.String("operation", operation), zap.Error(err))
	}
}

// storeCollector reads the state of the stores in use when it is asked.
type storeCollector struct{}

var (
	bytesDesc = prometheus.NewDesc("caddy_response_cache_bytes",
		"Memory or disk space the stored responses take.", []string{"store", "tier"}, nil)
	budgetDesc = prometheus.NewDesc("caddy_response_cache_budget_bytes",
		"The most they may take.", []string{"store", "tier"}, nil)
	objectsDesc = prometheus.NewDesc("caddy_response_cache_objects",
		"Stored responses, variants counted each.", []string{"store", "tier"}, nil)
	evictionsDesc = prometheus.NewDesc("caddy_response_cache_evictions_total",
		"Stored responses dropped to make room.", []string{"store", "tier"}, nil)
)

// Describe implements prometheus.Collector.
func (storeCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{bytesDesc, budgetDesc, objectsDesc, evictionsDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (storeCollector) Collect(ch chan<- prometheus.Metric) {
	caches.Range(func(_, value any) bool {
		c := value.(*cache)
		s := c.tier.Stats()
		gauge := func(d *prometheus.Desc, kind prometheus.ValueType, v int64) {
			ch <- prometheus.MustNewConstMetric(d, kind, float64(v), c.name, c.kind)
		}
		gauge(bytesDesc, prometheus.GaugeValue, s.Bytes)
		gauge(budgetDesc, prometheus.GaugeValue, s.Budget)
		gauge(objectsDesc, prometheus.GaugeValue, s.Objects)
		gauge(evictionsDesc, prometheus.CounterValue, s.Evictions)
		return true
	})
}
