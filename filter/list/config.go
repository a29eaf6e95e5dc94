package list

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-portico/portico/filter/address"
)

// The defaults and bounds of a Config.
const (
	DefaultPoll    = 5 * time.Second
	DefaultEvery   = time.Hour
	MinEvery       = time.Minute
	DefaultTimeout = time.Minute
	DefaultMaxSize = 64 << 20
)

// A Config says where one list comes from: exactly one of Ranges, File and URL.
// (A name for several sources is several Lists: address.Rules takes any number.)
type Config struct {
	Name string // for logs, metrics and the name of the saved copy

	Ranges []string // as in address.ParseRange
	File   string   // the path of a list file
	URL    string   // https; http only to this machine

	Poll    time.Duration // how often a file is looked at; default DefaultPoll
	Every   time.Duration // how often a URL is fetched; default DefaultEvery, at least MinEvery
	Timeout time.Duration // of one fetch with its body; default DefaultTimeout
	MaxSize int64         // bytes of a list, uncompressed; default DefaultMaxSize
	Dir     string        // where the last good copy of a URL lies; empty: none is kept

	// Parse reads the list; default: address.Parse.
	Parse func(io.Reader) (*address.Set, address.Report, error)

	Client *http.Client // for fetches; default: one of this package, without keep-alive
	FS     FS           // default: the machine's
	Log    *zap.Logger  // default: none
}

// Validate reports the first mistake in a configuration.
func (c Config) Validate() error {
	sources := 0
	for _, given := range []bool{len(c.Ranges) > 0, c.File != "", c.URL != ""} {
		if given {
			sources++
		}
	}
	switch {
	case c.Name == "":
		return errors.New("a list needs a name")
	case sources > 1:
		return fmt.Errorf("list %s: ranges, a file and a URL exclude each other", c.Name)
	case c.URL != "" && c.Every != 0 && c.Every < MinEvery:
		return fmt.Errorf("list %s: every %s is more often than %s", c.Name, c.Every, MinEvery)
	case c.Poll < 0, c.Timeout < 0, c.MaxSize < 0:
		return fmt.Errorf("list %s: poll, timeout and size cannot be negative", c.Name)
	case c.URL != "":
		return c.validateURL()
	}
	return nil
}

// validateURL insists on TLS: who can change a list on its way decides who is
// let in.
func (c Config) validateURL() error {
	u, err := url.Parse(c.URL)
	if err != nil {
		return fmt.Errorf("list %s: its URL: %w", c.Name, cause(err))
	}
	if u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u)) {
		return fmt.Errorf("list %s: %s is not an https URL (http is accepted only to this machine)",
			c.Name, c.Source())
	}
	return nil
}

func loopback(u *url.URL) bool {
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && addr.IsLoopback()
}

// Key is the identity of a list across reloads: two configurations with the
// same Key may share a List.
func (c Config) Key() string {
	c = c.withDefaults()
	return strings.Join([]string{
		c.Name, strings.Join(c.Ranges, " "), c.File, c.URL, c.Dir,
		c.Poll.String(), c.Every.String(), c.Timeout.String(), fmt.Sprint(c.MaxSize),
	}, "\x00")
}

// Source says where the list comes from, without what may be a secret: the
// credentials and the query of a URL, where feeds have their keys.
func (c Config) Source() string {
	switch {
	case c.File != "":
		return c.File
	case c.URL != "":
		if u, err := url.Parse(c.URL); err == nil {
			if u.RawQuery != "" {
				u.RawQuery = "…"
			}
			return u.Redacted()
		}
	}
	return "configuration"
}

func (c Config) withDefaults() Config {
	c.Poll = orElse(c.Poll, DefaultPoll)
	c.Every = orElse(c.Every, DefaultEvery)
	c.Timeout = orElse(c.Timeout, DefaultTimeout)
	c.MaxSize = orElse(c.MaxSize, int64(DefaultMaxSize))
	if c.Parse == nil {
		c.Parse = func(r io.Reader) (*address.Set, address.Report, error) {
			return address.Parse(r, address.Limits{})
		}
	}
	if c.FS == nil {
		c.FS = Disk{}
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	if c.Client == nil {
		c.Client = newClient()
	}
	return c
}

func orElse[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func (c Config) savedPath() string {
	return filepath.Join(c.Dir, url.QueryEscape(c.Name)+".list")
}
