package filter

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-portico/portico/filter/ban"
	"github.com/caddy-portico/portico/filter/geo"
	"github.com/caddy-portico/portico/filter/redis"
)

func init() {
	caddy.RegisterModule(new(App))
}

// App holds what all sites with request_filter share: address lists, databases
// of places, bans and counters. Bans and counters stay through a reload of the
// configuration.
//
// Nothing is fetched, connected or written before the configuration takes effect.
type App struct {
	// Address lists by name, for `allow @name` and `deny @name`. Names consist of
	// letters, digits, `_`, `-` and `.`.
	IPLists map[string]*IPList `json:"ip_list,omitempty"`

	// Paths of databases in the MaxMind DB format with countries or networks
	// (autonomous systems). What the first knows is not asked of the next. A
	// database that is replaced is read again within a minute. Default: none.
	GeoIP []string `json:"geoip,omitempty"`

	// The address of a Redis or Valkey through which machines share the counters
	// of `rate` and the bans, such as `redis://10.0.0.5:6379`. While it is not
	// there every machine counts for itself. Default: none.
	Redis string `json:"redis,omitempty"`

	// How bans are kept.
	Bans *BanStore `json:"bans,omitempty"`

	// How many clients are held by `tarpit` at the same time, on all sites
	// together; others are answered at once. 0: none. Default: 1000.
	Tarpits *int `json:"tarpits,omitempty"`

	// What the counters of one `rate` may take of memory, in bytes; at the bound
	// those are forgotten that are the least loss. If it is changed, the counters
	// begin anew. Default: 64MiB.
	RateMemory int64 `json:"rate_memory,omitempty"`

	state        *state
	savePath     string
	redisAddress string        // with its password
	target       *redis.Target // nil: none
	conn         *connection   // from Start on
	opened       map[string]*namedList
	databases    geo.Databases
	log          *zap.Logger

	mu       sync.Mutex // guards the rest: handlers come while they are provisioned
	limiters map[counterKey]*sharedLimiter
	crawlers *crawlerRanges
	releases []func() error // of what is in use, in order
}

// BanStore says how bans are kept.
type BanStore struct {
	// The file that bans are kept in over a restart: a path, `on` for
	// `request_filter/bans.json` in Caddy's data directory, or `off`. It is written
	// every 10 seconds if there is something new, and when Caddy is stopped.
	// Default: `off`.
	Save string `json:"save,omitempty"`

	// How many bans are kept at most. Default: 1048576.
	Max int `json:"max,omitempty"`
}

const defaultTarpits = 1000

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "request_filter", New: func() caddy.Module { return new(App) }}
}

// Provision opens what is local.
func (a *App) Provision(ctx caddy.Context) error {
	a.log = ctx.Logger()
	a.limiters = make(map[counterKey]*sharedLimiter)
	a.setDefaults()
	if err := a.check(); err != nil {
		return err
	}
	value, inUse, err := pools.state.LoadOrNew(stateKey{}, newState)
	if err != nil {
		return err
	}
	a.uses(pools.state, stateKey{})
	a.state = value.(*state)
	return errors.Join(
		named("bans", a.provisionSave(inUse)),
		named("redis", a.provisionRedis()),
		a.openLists(),
		named("geoip", a.openDatabases()),
		a.registerMetrics(ctx),
	)
}

func (a *App) setDefaults() {
	if a.Bans == nil {
		a.Bans = new(BanStore)
	}
	if a.Bans.Max == 0 {
		a.Bans.Max = ban.DefaultMaxBans
	}
	if a.Tarpits == nil {
		tarpits := defaultTarpits
		a.Tarpits = &tarpits
	}
}

func (a *App) check() error {
	switch {
	case a.Bans.Max < 0 || a.Bans.Max > maxBans:
		return fmt.Errorf("bans: max: %d is not a number from 1 to %d", a.Bans.Max, maxBans)
	case *a.Tarpits < 0 || *a.Tarpits > math.MaxInt32:
		return fmt.Errorf("tarpits: %d is not a number of 0 or more", *a.Tarpits)
	case a.RateMemory != 0 && a.RateMemory < minRateMemory:
		return fmt.Errorf("rate_memory: %d bytes are less than %d", a.RateMemory, minRateMemory)
	}
	return nil
}

const (
	maxBans       = 1 << 24
	minRateMemory = 64 << 10
)

// provisionSave finds out the path, which may have placeholders, and reads what
// was saved if nothing else runs: bans hold from the first request on. What is
// wrong with the file is told by Start, which reads it again.
func (a *App) provisionSave(inUse bool) (err error) {
	switch a.Bans.Save {
	case "", wordOff:
		return nil
	case wordOn:
		a.savePath = filepath.Join(dataDir(), "bans.json")
	default:
		if a.savePath, err = expand(a.Bans.Save); err != nil {
			return fmt.Errorf("save: %w", err)
		}
		if a.savePath, err = filepath.Abs(a.savePath); err != nil {
			return fmt.Errorf("save: %w", err)
		}
	}
	if !inUse {
		_ = a.state.ledger.Load(ban.OS, a.savePath, time.Now())
	}
	return nil
}

// dataDir is where the request filter keeps what it may keep.
func dataDir() string { return filepath.Join(caddy.AppDataDir(), "request_filter") }

// expand replaces global placeholders such as {env.NAME}; one that is unknown or
// empty is an error.
func expand(text string) (string, error) { return caddy.NewReplacer().ReplaceOrErr(text, true, true) }

// Start begins to follow lists and databases, to share and to save.
func (a *App) Start() error {
	a.connect()
	for _, l := range a.opened {
		for _, source := range l.sources {
			source.Start()
		}
	}
	for _, db := range a.databases {
		db.Start()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.crawlers != nil {
		a.crawlers.start()
	}
	a.state.start(a)
	return nil
}

// Stop ends what no other configuration goes on with. Requests may still be on
// their way, so what they use is let go of in Cleanup.
func (a *App) Stop() error {
	a.state.stop(a)
	return nil
}

// Cleanup lets go of what was in use, also after a failed Provision.
func (a *App) Cleanup() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	for i := len(a.releases) - 1; i >= 0; i-- {
		errs = append(errs, a.releases[i]())
	}
	a.releases = nil
	return errors.Join(errs...)
}

// uses notes that an entry of a pool is to be let go of. Provision and Start call
// it by themselves, others with the lock.
func (a *App) uses(pool *caddy.UsagePool, key any) {
	a.releases = append(a.releases, func() error {
		_, err := pool.Delete(key)
		return err
	})
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
