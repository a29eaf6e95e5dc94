package filter

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-portico/portico/filter/address"
	"github.com/caddy-portico/portico/filter/ban"
	"github.com/caddy-portico/portico/filter/bots"
	"github.com/caddy-portico/portico/filter/geo"
	"github.com/caddy-portico/portico/filter/rate"
)

func init() {
	caddy.RegisterModule(new(App))
}

// App holds what all sites share.
type App struct{}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "request_filter", New: func() caddy.Module { return new(App) }}
}

// Start does nothing.
func (a *App) Start() error { return nil }

// Stop does nothing.
func (a *App) Stop() error { return nil }

var (
	onlyLedger   = ban.New(0)
	onlySlots    = ban.NewSlots(1024)
	onlyVerifier = sync.OnceValue(func() *bots.Verifier { return bots.NewVerifier(bots.Options{}) })
	onlyMu       sync.Mutex
	onlyStrikes  = map[ban.Policy]*ban.Strikes{}
	onlyLimiters = map[string]limiter{}
)

func (a *App) ipList(name string) (address.Matcher, error) {
	return nil, fmt.Errorf("no ip_list named %q", name)
}

func (a *App) places() geo.Databases { return nil }

func (a *App) verifier() *bots.Verifier { return onlyVerifier() }

func (a *App) ledger() *ban.Ledger { return onlyLedger }

func (a *App) strikes(p ban.Policy) (*ban.Strikes, error) {
	onlyMu.Lock()
	defer onlyMu.Unlock()
	if s := onlyStrikes[p]; s != nil {
		return s, nil
	}
	s, err := ban.NewStrikes(onlyLedger, p, time.Now())
	if err == nil {
		onlyStrikes[p] = s
	}
	return s, err
}

func (a *App) limiter(name string, p rate.Policy) (limiter, error) {
	onlyMu.Lock()
	defer onlyMu.Unlock()
	id := fmt.Sprint(name, p)
	if l := onlyLimiters[id]; l != nil {
		return l, nil
	}
	l, err := rate.New(rate.Config{Policy: p}, time.Now())
	if err == nil {
		onlyLimiters[id] = localLimiter{l}
	}
	return onlyLimiters[id], err
}

func (a *App) slots() *ban.Slots { return onlySlots }

func (a *App) blocked(netip.Prefix, string) {}

type localLimiter struct{ *rate.Limiter }

func (l localLimiter) Take(_ context.Context, key string, now time.Time) rate.Result {
	return l.Limiter.Take(key, now)
}
