package cachehandler

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-portico/portico/cachehandler/store"
)

func init() {
	caddy.RegisterModule(new(App))
}

// App holds the stores of all sites. What they hold stays through a reload of
// the configuration for as long as a store of that name is configured.
type App struct {
	// The stores by name. One named `default` always exists; where it is not
	// configured it is `memory` of 256 MiB.
	Stores map[string]*StoreConfig `json:"stores,omitempty"`

	opened map[string]*cache
	log    *zap.Logger
}

// StoreConfig is one store.
type StoreConfig struct {
	// The tiers of the store, fastest first. Default: `memory`.
	TiersRaw []json.RawMessage `json:"tiers,omitempty" caddy:"namespace=response_cache.tiers inline_key=tier"`

	tiers []TierModule
}

// TierModule is what a module in the namespace `response_cache.tiers` is.
type TierModule interface {
	// Open makes the tier. It is called once for a store, not at every reload.
	Open() (store.Tier, error)
	// Apply gives its options to a tier that a module of the same kind opened,
	// when the configuration before it has let go of it.
	Apply(store.Tier) error
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "response_cache",
		New: func() caddy.Module { return new(App) },
	}
}

// caches are the stores in use, by storeID: a new configuration takes them
// over from the old one before that lets go.
var caches = caddy.NewUsagePool()

// storeID is what makes a store the same one after a reload. Its size, for
// one, may change.
type storeID struct{ name, kind string }

func (c *StoreConfig) id(name string) storeID {
	return storeID{name: name, kind: c.tiers[0].(caddy.Module).CaddyModule().ID.Name()}
}

// Provision opens the stores, or takes them over.
func (a *App) Provision(ctx caddy.Context) error {
	a.log = ctx.Logger()
	a.opened = make(map[string]*cache)
	if a.Stores == nil {
		a.Stores = make(map[string]*StoreConfig)
	}
	if a.Stores[defaultStore] == nil {
		a.Stores[defaultStore] = new(StoreConfig)
	}
	for name, config := range a.Stores {
		if name == "" {
			return errors.New("a store needs a name")
		}
		if config == nil {
			config = new(StoreConfig)
			a.Stores[name] = config
		}
		if err := config.provision(ctx); err != nil {
			return fmt.Errorf("store %s: %w", name, err)
		}
		if err := a.open(name, config); err != nil {
			return fmt.Errorf("store %s: %w", name, err)
		}
	}
	return nil
}

func (c *StoreConfig) provision(ctx caddy.Context) error {
	if len(c.TiersRaw) == 0 {
		c.TiersRaw = []json.RawMessage{json.RawMessage(`{"tier":"memory"}`)}
	}
	if len(c.TiersRaw) > 1 {
		return errors.New("a store has one tier in this version")
	}
	modules, err := ctx.LoadModule(c, "TiersRaw")
	if err != nil {
		return fmt.Errorf("loading tiers: %w", err)
	}
	for _, m := range modules.([]any) {
		tier, ok := m.(TierModule)
		if !ok {
			return fmt.Errorf("%T is not a tier", m)
		}
		c.tiers = append(c.tiers, tier)
	}
	return nil
}

func (a *App) open(name string, config *StoreConfig) error {
	id := config.id(name)
	value, _, err := caches.LoadOrNew(id, func() (caddy.Destructor, error) {
		tier, err := config.tiers[0].Open()
		if err != nil {
			return nil, err
		}
		return newCache(id, tier), nil
	})
	if err != nil {
		return err
	}
	c := value.(*cache)
	c.use(config.tiers[0])
	a.opened[name] = c
	return nil
}

// Start does nothing: the stores are open.
func (a *App) Start() error { return nil }

// Stop does nothing: requests of the old configuration may still be on their way.
func (a *App) Stop() error { return nil }

// Cleanup lets go of the stores. It is also how a configuration ends that
// never took effect, so it is what decides whose options count.
func (a *App) Cleanup() error {
	var errs []error
	for name, c := range a.opened {
		config := a.Stores[name]
		errs = append(errs, c.release(config.tiers[0]))
		_, err := caches.Delete(config.id(name))
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// cache returns the store of that name.
func (a *App) cache(name string) (*cache, error) {
	if c, ok := a.opened[name]; ok {
		return c, nil
	}
	return nil, fmt.Errorf("store: no store is named %q", name)
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
