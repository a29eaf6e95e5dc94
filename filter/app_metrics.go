package filter

import (
	"errors"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// registerMetrics registers the collector of this configuration: labels are names
// that the configuration gives.
func (a *App) registerMetrics(ctx caddy.Context) error {
	var already prometheus.AlreadyRegisteredError
	if err := ctx.GetMetricsRegistry().Register(appCollector{a}); err != nil && !errors.As(err, &already) {
		return err
	}
	return nil
}

func filterDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("caddy_request_filter_"+name, help, labels, nil)
}

var (
	listRangesDesc   = filterDesc("list_ranges", "Ranges in force of an address list.", "list")
	listAgeDesc      = filterDesc("list_age_seconds", "Time since the sources of an address list last confirmed or changed it; of several the longest.", "list")
	listFailuresDesc = filterDesc("list_failures", "Failures in a row to update an address list; of several sources the most.", "list")
	bansDesc         = filterDesc("bans", "Bans in the ledger.")
	bansEvictedDesc  = filterDesc("bans_evicted_total", "Bans dropped before their end because there were too many.")
	saveErrorsDesc   = filterDesc("bans_save_errors_total", "Failures to load or save the bans, since saving began.")
	tarpitDesc       = filterDesc("tarpits", "Clients that are held now.")
	redisUpDesc      = filterDesc("redis_up", "Whether limits and bans are shared through Redis now (1) or not (0).")
	redisErrorsDesc  = filterDesc("redis_errors_total", "Operations on Redis that failed.")
	rateKeysDesc     = filterDesc("rate_keys", "Keys whose requests are counted on this machine.", "rate")
	rateBytesDesc    = filterDesc("rate_bytes", "Memory that the counters take.", "rate")
	rateEvictedDesc  = filterDesc("rate_evictions_total", "Keys forgotten while they still counted, because there were too many.", "rate")
	rateAloneDesc    = filterDesc("rate_local_decisions_total", "Decisions without the other machines, because Redis was gone.", "rate")

	appDescs = []*prometheus.Desc{
		listRangesDesc, listAgeDesc, listFailuresDesc, bansDesc, bansEvictedDesc, saveErrorsDesc, tarpitDesc,
		redisUpDesc, redisErrorsDesc, rateKeysDesc, rateBytesDesc, rateEvictedDesc, rateAloneDesc,
	}
)

// appCollector reads the state of an app when it is asked.
type appCollector struct{ a *App }

// Describe implements prometheus.Collector.
func (appCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range appDescs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c appCollector) Collect(ch chan<- prometheus.Metric) {
	a, s := c.a, c.a.state
	send := func(kind prometheus.ValueType, d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	send(prometheus.GaugeValue, bansDesc, float64(s.ledger.Len()))
	send(prometheus.CounterValue, bansEvictedDesc, float64(s.ledger.Evicted()))
	send(prometheus.CounterValue, saveErrorsDesc, float64(s.saveErrors()))
	send(prometheus.GaugeValue, tarpitDesc, float64(s.slots.Used()))
	a.collectLists(send)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conn != nil {
		up := 0.0
		if a.conn.Up() {
			up = 1
		}
		send(prometheus.GaugeValue, redisUpDesc, up)
		send(prometheus.CounterValue, redisErrorsDesc, float64(a.conn.Errors()))
	}
	a.collectRates(send)
}

// A sender makes a metric of a value.
type sender func(kind prometheus.ValueType, d *prometheus.Desc, v float64, labels ...string)

func (a *App) collectLists(send sender) {
	now := time.Now()
	for name, l := range a.opened {
		ranges, failures, age := 0, 0, time.Duration(0)
		for _, source := range l.sources {
			s := source.State()
			ranges += s.Ranges
			failures = max(failures, s.Failures)
			if !s.Checked.IsZero() {
				age = max(age, now.Sub(s.Checked))
			}
		}
		send(prometheus.GaugeValue, listRangesDesc, float64(ranges), name)
		send(prometheus.GaugeValue, listFailuresDesc, float64(failures), name)
		if age > 0 {
			send(prometheus.GaugeValue, listAgeDesc, age.Seconds(), name)
		}
	}
}

// collectRates adds up the rates of one name: sites may have different ones under
// it.
func (a *App) collectRates(send sender) {
	type sums struct{ keys, bytes, evicted, alone int64 }
	byName := make(map[string]sums)
	for key, l := range a.limiters {
		stats, sum := l.Stats(), byName[key.name]
		sum.keys += int64(stats.Keys)
		sum.bytes += stats.Bytes
		sum.evicted += stats.Evicted
		sum.alone += l.alone.Load()
		byName[key.name] = sum
	}
	for name, sum := range byName {
		send(prometheus.GaugeValue, rateKeysDesc, float64(sum.keys), name)
		send(prometheus.GaugeValue, rateBytesDesc, float64(sum.bytes), name)
		send(prometheus.CounterValue, rateEvictedDesc, float64(sum.evicted), name)
		send(prometheus.CounterValue, rateAloneDesc, float64(sum.alone), name)
	}
}

func (s *state) saveErrors() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.saver == nil {
		return 0
	}
	return s.saver.errors.Load()
}
