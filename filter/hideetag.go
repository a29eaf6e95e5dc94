package filter

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-portico/portico/filter/leak"
)

// What becomes of entity-tags.
const (
	etagKeep = "keep"
	etagHash = "hash"
	etagDrop = "drop"
)

// validator rewrites the entity-tag at key.
func (w *hidingWriter) validator(header http.Header, key string) {
	switch w.h.ETag {
	case etagDrop:
		delete(header, key)
	case etagHash:
		sealer := w.h.key.sealer(w.r.Context())
		if sealer == nil {
			delete(header, key)
			return
		}
		header[key] = []string{sealer.Seal(header[key][0])}
	}
}

// openValidators gives the origin its own tags back (RFC 9110 §13.1, §13.1.5).
func (h *HideOrigin) openValidators(r *http.Request, header http.Header) {
	for _, name := range [...]string{"If-Match", "If-None-Match", "If-Range"} {
		values := header[name]
		if len(values) == 0 {
			continue
		}
		sealer := h.key.sealer(r.Context())
		for i, value := range values {
			values[i] = sealer.OpenList(value)
		}
	}
}

// Where the key is, for how long its storage is waited for, and for how long a
// failure to read it is not repeated.
const (
	etagKeyPath     = "portico/hide_origin/etag.key"
	etagKeyPatience = 5 // seconds
)

// sealer reads the key, or makes it if there is none. The machines of a cluster
// that share a storage share it. Without a key there are no entity-tags: nil.
func (k *validatorKey) sealer(ctx context.Context) *leak.Sealer {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now().Unix()
	if k.mu.sealer != nil || now-k.mu.tried < etagKeyPatience {
		return k.mu.sealer
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), etagKeyPatience*time.Second)
	defer cancel()
	sealer, err := k.load(ctx)
	if err != nil {
		k.mu.tried = now
		k.logger.Error("no key for entity-tags: they are left out", zap.String("key", etagKeyPath), zap.Error(err))
		return nil
	}
	k.mu.sealer = sealer
	return sealer
}

func (k *validatorKey) load(ctx context.Context) (*leak.Sealer, error) {
	if k.storage == nil {
		return nil, errors.New("there is no storage")
	}
	if key, err := k.storage.Load(ctx, etagKeyPath); err == nil {
		return leak.NewSealer(key)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := k.storage.Lock(ctx, etagKeyPath); err != nil {
		return nil, err
	}
	defer func() { _ = k.storage.Unlock(context.WithoutCancel(ctx), etagKeyPath) }()
	key, err := k.storage.Load(ctx, etagKeyPath) // another may have been faster
	if errors.Is(err, fs.ErrNotExist) {
		key = make([]byte, leak.KeySize)
		_, _ = rand.Read(key) // never fails
		err = k.storage.Store(ctx, etagKeyPath, key)
	}
	if err != nil {
		return nil, err
	}
	return leak.NewSealer(key)
}
