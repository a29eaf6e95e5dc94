package filter

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-portico/portico/filter/ban"
	"github.com/caddy-portico/portico/filter/geo"
	"github.com/caddy-portico/portico/filter/rate"
	"github.com/caddy-portico/portico/filter/rate/redisrate"
	"github.com/caddy-portico/portico/filter/redis"
)

// This file has what handlers take from the app.

// places are the databases of countries and networks; none if none is configured.
func (a *App) places() geo.Databases { return a.databases }

// ledger holds the bans: one for the process.
func (a *App) ledger() *ban.Ledger { return a.state.ledger }

// slots are the places of tarpits.
func (a *App) slots() *ban.Slots { return a.state.slots }

// blocked counts a request that was blocked, for GET /request_filter/top.
func (a *App) blocked(client netip.Prefix, r reason) { a.state.blocked(client, r) }

// pooledStrikes are counts of a policy in their pool.
type pooledStrikes struct{ *ban.Strikes }

// Destruct implements caddy.Destructor.
func (pooledStrikes) Destruct() error { return nil }

// strikes are the counts of a policy.
func (a *App) strikes(p ban.Policy) (*ban.Strikes, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	value, _, err := pools.strikes.LoadOrNew(p, func() (caddy.Destructor, error) {
		s, err := ban.NewStrikes(a.state.ledger, p, time.Now())
		return pooledStrikes{s}, err
	})
	if err != nil {
		return nil, err
	}
	a.uses(pools.strikes, p)
	return value.(pooledStrikes).Strikes, nil
}

// counterKey is what makes the counters of a rate the same ones after a reload.
type counterKey struct {
	name   string
	policy rate.Policy
	memory int64
}

// A counter is the counters of a rate on this machine.
type counter struct {
	*rate.Limiter
	alone atomic.Int64 // decisions without the others, because Redis was gone
}

// Destruct implements caddy.Destructor.
func (*counter) Destruct() error { return nil }

// limiter returns the counters of a name and policy.
func (a *App) limiter(name string, p rate.Policy) (limiter, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := counterKey{name, p, a.RateMemory}
	if l := a.limiters[key]; l != nil {
		return l, nil
	}
	value, _, err := pools.counters.LoadOrNew(key, func() (caddy.Destructor, error) {
		l, err := rate.New(rate.Config{Policy: p, MaxBytes: a.RateMemory}, time.Now())
		return &counter{Limiter: l}, err
	})
	if err != nil {
		return nil, err
	}
	a.uses(pools.counters, key)
	l := &sharedLimiter{counter: value.(*counter)}
	if a.conn != nil {
		l.share(a.conn, name)
	}
	a.limiters[key] = l
	return l, nil
}

// A sharedLimiter counts on this machine and, from the Start of an app with Redis
// on, with others.
type sharedLimiter struct {
	*counter
	others atomic.Pointer[redisrate.Limiter]
}

func (l *sharedLimiter) share(conn *connection, name string) {
	l.others.Store(redisrate.New(conn.Conn, name, l.Limiter))
}

// Take asks for one request of a key.
func (l *sharedLimiter) Take(ctx context.Context, key string, now time.Time) rate.Result {
	others := l.others.Load()
	if others == nil {
		return l.Limiter.Take(key, now)
	}
	r, shared := others.Take(ctx, key, now)
	if !shared {
		l.alone.Add(1)
	}
	return r
}

// A connection is one to Redis, in its pool.
type connection struct {
	*redis.Conn
	to string // without the password
}

// Destruct implements caddy.Destructor.
func (c *connection) Destruct() error {
	c.Close()
	return nil
}

func (a *App) provisionRedis() error {
	if a.Redis == "" {
		return nil
	}
	address, err := expand(a.Redis)
	if err != nil {
		return err
	}
	target, err := redis.Parse(address)
	if err != nil {
		return err
	}
	a.redisAddress, a.target = address, &target
	return nil
}

// connect opens the connection, or takes it over, and lets the limiters use it.
// It waits for nothing.
func (a *App) connect() {
	if a.target == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	value, _, err := pools.redis.LoadOrNew(a.redisAddress, func() (caddy.Destructor, error) {
		to, log := a.target.String(), a.state.logger()
		conn, err := redis.Open(*a.target, redis.Options{OnState: func(up bool, cause error) {
			if up {
				log.Info("redis is up, limits and bans are shared", zap.String("redis", to))
			} else {
				log.Error("redis is down, this machine counts for itself", zap.String("redis", to), zap.Error(cause))
			}
		}})
		return &connection{conn, to}, err
	})
	if err != nil { // only of a wrong prefix, and there is none
		a.log.Error("redis is not used", zap.Error(err))
		return
	}
	a.uses(pools.redis, a.redisAddress)
	a.conn = value.(*connection)
	for key, l := range a.limiters {
		l.share(a.conn, key.name)
	}
}

// connection is the one to Redis; nil if there is none.
func (a *App) connection() *connection {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.conn
}
