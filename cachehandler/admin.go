package cachehandler

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-portico/portico/cachehandler/store"
)

func init() {
	caddy.RegisterModule(adminAPI{})
}

// adminAPI serves /response_cache/ on Caddy's admin endpoint.
type adminAPI struct{}

// CaddyModule returns the Caddy module information.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.response_cache",
		New: func() caddy.Module { return new(adminAPI) },
	}
}

// Routes implements caddy.AdminRouter.
func (a adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: "/response_cache/stats", Handler: caddy.AdminHandlerFunc(a.stats)},
		{Pattern: "/response_cache/explain", Handler: caddy.AdminHandlerFunc(a.explain)},
	}
}

// allStats is the answer of GET /response_cache/stats.
type allStats struct {
	Stores []storeStats `json:"stores"`
}

// storeStats is one store in it.
type storeStats struct {
	Store string `json:"store"`
	Tier  string `json:"tier"`
	store.Stats
}

func (adminAPI) stats(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("method not allowed")}
	}
	all := []storeStats{}
	caches.Range(func(_, value any) bool {
		c := value.(*cache)
		all = append(all, storeStats{Store: c.name, Tier: c.kind, Stats: c.tier.Stats()})
		return true
	})
	slices.SortFunc(all, func(a, b storeStats) int { return strings.Compare(a.Store+" "+a.Tier, b.Store+" "+b.Tier) })
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(allStats{Stores: all})
}

// Interface guards
var _ caddy.AdminRouter = adminAPI{}
