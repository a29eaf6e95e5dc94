package filter

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-portico/portico/filter/ban"
	"github.com/caddy-portico/portico/filter/ban/redisban"
	"github.com/caddy-portico/portico/filter/top"
)

// What outlives a configuration, by what makes it the same one after a reload.
// A new configuration takes it over from the old one before that lets go.
var pools = struct {
	state     *caddy.UsagePool // stateKey: *state
	strikes   *caddy.UsagePool // ban.Policy: pooledStrikes
	counters  *caddy.UsagePool // counterKey: *counter
	lists     *caddy.UsagePool // list.Config.Key: *list.List
	databases *caddy.UsagePool // path: *geo.DB
	crawlers  *caddy.UsagePool // crawlersKey: *crawlerRanges
	redis     *caddy.UsagePool // address: *connection
}{
	caddy.NewUsagePool(), caddy.NewUsagePool(), caddy.NewUsagePool(), caddy.NewUsagePool(),
	caddy.NewUsagePool(), caddy.NewUsagePool(), caddy.NewUsagePool(),
}

// stateKey is the key of the one state in its pool.
type stateKey struct{}

// state is what all sites of the process share whatever their configuration: who
// is banned, who was blocked, how many are held in tarpits.
//
// Of the configurations that run (two of them while one takes over from the
// other, or fails to) the last one started decides about the options. So a
// configuration that is only validated changes nothing, and one that fails to
// start gives back what it changed.
type state struct {
	ledger *ban.Ledger
	slots  *ban.Slots
	top    *top.Top
	total  [reasons]atomic.Int64 // blocked requests
	began  time.Time

	log atomic.Pointer[zap.Logger] // of the configuration that decides

	mu      sync.Mutex // guards the rest
	running []*App
	sharer  *redisban.Sharer
	shared  *connection // that sharer uses
	saver   *saver
	quit    chan struct{} // ends sweeping; nil: it has not begun
	swept   sync.WaitGroup
}

// sweepEvery is how often bans that have ended are dropped.
const sweepEvery = time.Minute

func newState() (caddy.Destructor, error) {
	return &state{ledger: ban.New(0), slots: ban.NewSlots(defaultTarpits), top: top.New(), began: time.Now()}, nil
}

// Destruct implements caddy.Destructor. Whoever ran has stopped.
func (s *state) Destruct() error { return nil }

// start puts the options of a configuration in force.
func (s *state) start(a *App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = append(s.running, a)
	s.settle()
}

// stop puts those of the one before it in force again, if it was the last one.
func (s *state) stop(a *App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = slices.DeleteFunc(s.running, func(other *App) bool { return other == a })
	s.settle()
}

// settle makes sharing, saving and bounds what the last configuration says. What
// stays the same goes on without a gap.
func (s *state) settle() {
	var conn *connection
	var path string
	if n := len(s.running); n > 0 {
		a := s.running[n-1]
		conn, path = a.conn, a.savePath
		s.log.Store(a.log)
		s.ledger.SetMax(a.Bans.Max)
		s.slots.SetMax(*a.Tarpits)
	}
	if s.saver != nil && s.saver.path != path {
		s.saver.stop()
		s.saver = nil
	}
	if s.saver == nil && path != "" {
		s.saver = startSaver(s.ledger, path, s.logger())
	}
	if s.sharer != nil && s.shared != conn {
		s.sharer.Stop()
		s.sharer = nil
	}
	if s.sharer == nil && conn != nil {
		s.sharer = redisban.Start(conn.Conn, s.ledger)
	}
	s.shared = conn
	s.settleSweeping()
}

func (s *state) settleSweeping() {
	switch runs := len(s.running) > 0; {
	case runs && s.quit == nil:
		quit := make(chan struct{})
		s.quit = quit
		s.swept.Go(func() { s.sweep(quit) })
	case !runs:
		if s.quit != nil {
			close(s.quit)
			s.swept.Wait()
			s.quit = nil
		}
		s.log.Store(nil)
	}
}

// sweep gives back the memory of bans that have ended.
func (s *state) sweep(quit chan struct{}) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
			s.ledger.Sweep(time.Now())
		}
	}
}

// blocked counts a request that was blocked.
func (s *state) blocked(client netip.Prefix, r reason) {
	s.total[r].Add(1)
	if client.IsValid() {
		s.top.Add(client, int(r), time.Now())
	}
}

// logger is for what outlives the configuration that made it: it writes to the
// log of the one that decides now.
func (s *state) logger() *zap.Logger { return zap.New(currentLog{state: s}) }

// currentLog is the core of that logger.
type currentLog struct {
	state  *state
	fields []zapcore.Field
}

func (c currentLog) current() *zap.Logger {
	if log := c.state.log.Load(); log != nil {
		return log
	}
	return caddy.Log().Named("request_filter")
}

// Enabled implements zapcore.Core.
func (c currentLog) Enabled(level zapcore.Level) bool { return c.current().Core().Enabled(level) }

// With implements zapcore.Core.
func (c currentLog) With(fields []zapcore.Field) zapcore.Core {
	return currentLog{c.state, slices.Concat(c.fields, fields)}
}

// Check implements zapcore.Core.
func (c currentLog) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !c.Enabled(entry.Level) {
		return checked
	}
	return checked.AddCore(entry, c)
}

// Write implements zapcore.Core.
func (c currentLog) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	if checked := c.current().Check(entry.Level, entry.Message); checked != nil {
		checked.Write(slices.Concat(c.fields, fields)...)
	}
	return nil
}

// Sync implements zapcore.Core.
func (c currentLog) Sync() error { return nil }
