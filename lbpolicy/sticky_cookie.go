package lbpolicy

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// A cookie is sticky's own. Its value is a message authentication code (HMAC-SHA-256)
// of the upstream's address: whoever does not have the key can neither make one
// nor read from it where it leads.
type cookie struct {
	name     string
	template http.Cookie
	secure   string
	key      func() []byte
}

func (p *Sticky) newCookie(ctx caddy.Context) *cookie {
	k := &cookie{name: p.Name, secure: p.Secure}
	if k.name == "" {
		k.name = "lb"
	}
	k.template = http.Cookie{
		Name: k.name, Path: "/",
		MaxAge:   int(time.Duration(p.MaxAge).Seconds()),
		HttpOnly: p.HTTPOnly != off,
		SameSite: map[string]http.SameSite{
			"": http.SameSiteLaxMode, sameSiteLax: http.SameSiteLaxMode,
			sameSiteStrict: http.SameSiteStrictMode, sameSiteNone: http.SameSiteNoneMode,
		}[p.SameSite],
	}
	if p.Secret != "" {
		secret := []byte(caddy.NewReplacer().ReplaceKnown(p.Secret, ""))
		k.key = func() []byte { return secret }
		return k
	}
	storage, log := ctx.Storage(), ctx.Logger()
	// At the first request and not when the configuration is loaded, which must
	// not wait for a storage.
	k.key = sync.OnceValue(func() []byte { return storedKey(storage, log) })
	return k
}

// home implements sessions.
func (k *cookie) home(c *choice, r *http.Request) int {
	for _, token := range k.tokens(r) {
		if i := slices.IndexFunc(c.members, func(m *member) bool { return k.names(token, m) }); i >= 0 {
			return i
		}
	}
	return -1
}

// between separates the tokens of a cookie. There are several where several policies
// of one site use the same name: each would overwrite the other's session.
const between = "."

// mostTokens bounds what is looked at of a cookie.
const mostTokens = 16

func (k *cookie) tokens(r *http.Request) (tokens []string) {
	for _, given := range r.CookiesNamed(k.name) {
		tokens = append(tokens, strings.SplitN(given.Value, between, mostTokens+1)...)
	}
	return tokens[:min(len(tokens), mostTokens)]
}

func (k *cookie) names(token string, m *member) bool {
	return hmac.Equal([]byte(token), []byte(k.token(m)))
}

// settle implements sessions. An attempt that failed has left a cookie already,
// which this one replaces.
func (k *cookie) settle(c *choice, m *member, r *http.Request, w http.ResponseWriter) {
	if w == nil { // Caddy's own policies give their fallback none
		return
	}
	set := k.template
	set.Value = strings.Join(append([]string{k.token(m)}, k.others(c, r)...), between)
	set.Secure = k.secure == on || set.SameSite == http.SameSiteNoneMode || k.secure != off && overHTTPS(r)
	h := w.Header()
	if earlier := h["Set-Cookie"]; len(earlier) > 0 {
		h["Set-Cookie"] = slices.DeleteFunc(slices.Clone(earlier), func(field string) bool {
			return strings.HasPrefix(field, k.name+"=")
		})
	}
	http.SetCookie(w, &set)
}

// cookies are those in use, of all policies, and the members each leads to.
var cookies sync.Map // *cookie → *members

// others returns the tokens in the request's cookie that belong to other policies, with
// other upstreams. What belongs to none is left out: forged, or of an upstream that
// is gone.
func (k *cookie) others(c *choice, r *http.Request) (tokens []string) {
	for _, token := range k.tokens(r) {
		if c.balancer.members.any(func(m *member) bool { return k.names(token, m) }) {
			continue
		}
		cookies.Range(func(other, of any) bool {
			o := other.(*cookie)
			if o == k || o.name != k.name {
				return true
			}
			o.key() // may have to ask the storage: not while the members are locked
			if of.(*members).any(func(m *member) bool { return o.names(token, m) }) {
				tokens = append(tokens, token)
				return false
			}
			return true
		})
	}
	return tokens
}

// any reports whether there is a member that is so.
func (ms *members) any(so func(*member) bool) bool {
	ms.mu.RLock()
	defer ms.mu.RUnlock()
	for _, m := range ms.found {
		if so(m) {
			return true
		}
	}
	return false
}

// overHTTPS reports whether the client came over HTTPS, as far as it can be known.
func overHTTPS(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted && r.Header.Get("X-Forwarded-Proto") == "https"
}

// token is the value of the cookie for an upstream.
func (k *cookie) token(m *member) string {
	if t := m.token.Load(); t != nil {
		return *t
	}
	mac := hmac.New(sha256.New, k.key())
	fmt.Fprintf(mac, "portico sticky\n%s\n%s", k.name, m.address)
	t := base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
	m.token.Store(&t)
	return t
}

// keyFile is where the random key is kept in Caddy's storage.
const keyFile = "load_balancing/sticky.key"

const keySize = 32

// processKey is used where the storage is out of order: sessions then last as
// long as the process.
var processKey = sync.OnceValue(func() []byte {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails
	return key
})

// storedKey returns the key that all Caddys with this storage share.
func storedKey(storage certmagic.Storage, log *zap.Logger) []byte {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	key, err := loadOrStoreKey(ctx, storage)
	if err != nil {
		log.Error("no key for sticky cookies in the storage: sessions will end with this process", zap.Error(err))
		return processKey()
	}
	return key
}

func loadOrStoreKey(ctx context.Context, storage certmagic.Storage) ([]byte, error) {
	key, err := storage.Load(ctx, keyFile)
	if err == nil && len(key) == keySize {
		return key, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("loading %s: %w", keyFile, err)
	}
	if err := storage.Lock(ctx, keyFile); err != nil {
		return nil, fmt.Errorf("locking %s: %w", keyFile, err)
	}
	defer func() { _ = storage.Unlock(context.WithoutCancel(ctx), keyFile) }()
	if key, err := storage.Load(ctx, keyFile); err == nil && len(key) == keySize { // somebody was faster
		return key, nil
	}
	if err := storage.Store(ctx, keyFile, processKey()); err != nil {
		return nil, fmt.Errorf("storing %s: %w", keyFile, err)
	}
	return processKey(), nil
}

// isToken reports a token (RFC 9110 §5.6.2), which is what names a cookie or a header.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	})
}
