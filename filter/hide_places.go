package filter

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddy-portico/portico/filter/rewrite"
)

// newTable returns a function that makes the table of places behind the site when
// it is first asked: while handlers are being set up, those that name the
// upstreams are not there yet.
func (h *HideOrigin) newTable() func(*caddyhttp.Server) *rewrite.Table {
	var once sync.Once
	table := new(rewrite.Table)
	return func(server *caddyhttp.Server) *rewrite.Table {
		once.Do(func() {
			_ = addRules(table, h.Rewrite) // which has been checked
			if server != nil {
				addUpstreams(table, server)
			}
		})
		return table
	}
}

func addRules(table *rewrite.Table, rules []RewriteOptions) error {
	for _, o := range rules {
		if err := table.AddRule(o.From, o.To); err != nil {
			return err
		}
	}
	return nil
}

// addUpstreams adds those of every reverse_proxy of a server, whatever route it is in.
func addUpstreams(table *rewrite.Table, server *caddyhttp.Server) {
	seen := make(map[string]bool) // named routes, which may invoke each other
	var walk func(caddyhttp.RouteList)
	walk = func(routes caddyhttp.RouteList) {
		for _, route := range routes {
			for _, handler := range route.Handlers {
				switch handler := handler.(type) {
				case *caddyhttp.Subroute:
					walk(handler.Routes)
					if handler.Errors != nil {
						walk(handler.Errors.Routes)
					}
				case *caddyhttp.Invoke:
					if named := server.NamedRoutes[handler.Name]; named != nil && !seen[handler.Name] {
						seen[handler.Name] = true
						walk(caddyhttp.RouteList{*named})
					}
				case *reverseproxy.Handler:
					for _, up := range handler.Upstreams {
						table.AddUpstream(up.Dial)
					}
				}
			}
		}
	}
	walk(server.Routes)
	if server.Errors != nil {
		walk(server.Errors.Routes)
	}
}

// sealingKeyFile is where the random key of sealed tags is kept in Caddy's storage.
const sealingKeyFile = "hide_origin/etag.key"

const sealingKeySize = 32

// processKey is used where the storage is out of order: tags then validate as long
// as the process lives.
var processKey = sync.OnceValue(func() []byte {
	key := make([]byte, sealingKeySize)
	_, _ = rand.Read(key) // never fails
	return key
})

// sealingKey returns the key that all Caddys with this storage share.
func sealingKey(storage certmagic.Storage, log *zap.Logger) []byte {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	key, err := loadOrStoreKey(ctx, storage)
	if err != nil {
		log.Error("no key for entity tags in the storage: they will not validate after a restart", zap.Error(err))
		return processKey()
	}
	return key
}

func loadOrStoreKey(ctx context.Context, storage certmagic.Storage) ([]byte, error) {
	key, err := storage.Load(ctx, sealingKeyFile)
	if err == nil && len(key) == sealingKeySize {
		return key, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("loading %s: %w", sealingKeyFile, err)
	}
	if err := storage.Lock(ctx, sealingKeyFile); err != nil {
		return nil, fmt.Errorf("locking %s: %w", sealingKeyFile, err)
	}
	defer func() { _ = storage.Unlock(context.WithoutCancel(ctx), sealingKeyFile) }()
	if key, err := storage.Load(ctx, sealingKeyFile); err == nil && len(key) == sealingKeySize { // somebody was faster
		return key, nil
	}
	if err := storage.Store(ctx, sealingKeyFile, processKey()); err != nil {
		return nil, fmt.Errorf("storing %s: %w", sealingKeyFile, err)
	}
	return processKey(), nil
}
