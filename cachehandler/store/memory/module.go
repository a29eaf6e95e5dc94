package memory

import (
	"errors"
	"fmt"
	"math"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"

	"github.com/caddy-portico/portico/cachehandler/store"
)

func init() {
	caddy.RegisterModule(Module{})
}

const defaultSize = 256 << 20

// Module keeps responses in memory. They outlive a reload of the
// configuration, not a restart.
type Module struct {
	// The most memory the stored responses may take, in bytes, bodies, heads
	// and index together. Above it, those worth least are dropped.
	// Default: 268435456 (256 MiB).
	Size int64 `json:"size,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Module) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "response_cache.tiers.memory",
		New: func() caddy.Module { return new(Module) },
	}
}

// Validate implements caddy.Validator.
func (m *Module) Validate() error {
	if m.Size < 0 {
		return errors.New("memory: size must not be negative")
	}
	return nil
}

// Open makes the tier.
func (m *Module) Open() (store.Tier, error) { return New(m.size()), nil }

// Apply gives a changed size to a tier that holds something already.
func (m *Module) Apply(t store.Tier) error {
	tier, ok := t.(*Tier)
	if !ok {
		return fmt.Errorf("%T is not a memory tier", t)
	}
	tier.SetBudget(m.size())
	return nil
}

func (m *Module) size() int64 {
	if m.Size == 0 {
		return defaultSize
	}
	return m.Size
}

// UnmarshalCaddyfile sets up the tier from tokens:
//
//	memory [<size>]
func (m *Module) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the tier's name
	if d.NextArg() {
		size, err := humanize.ParseBytes(d.Val())
		if err != nil || size == 0 || size > math.MaxInt64 {
			return d.Errf("memory: bad size '%s'", d.Val())
		}
		m.Size = int64(size)
	}
	if d.NextArg() {
		return d.Errf("memory: unexpected argument '%s'", d.Val())
	}
	if d.NextBlock(d.Nesting()) {
		return d.Err("memory: takes no block")
	}
	return nil
}

// Interface guards
var (
	_ caddy.Validator       = (*Module)(nil)
	_ caddyfile.Unmarshaler = (*Module)(nil)
)
