package filter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-portico/portico/filter/address"
	"github.com/caddy-portico/portico/filter/bots"
	"github.com/caddy-portico/portico/filter/geo"
	"github.com/caddy-portico/portico/filter/list"
)

// IPList is a named list of addresses: all that its sources have together.
type IPList struct {
	// Addresses (`192.0.2.1`), CIDR ranges (`192.0.2.0/24`) and ranges
	// (`192.0.2.5-192.0.2.20`).
	Ranges []string `json:"ranges,omitempty"`

	// Paths of files with one entry on each line. They are read again within
	// seconds when they change. One that cannot be read or has a bad line when the
	// configuration is loaded refuses it; later, the last good copy stays in force.
	Files []string `json:"file,omitempty"`

	// URLs of lists that are fetched again and again.
	URLs []ListURL `json:"url,omitempty"`
}

// ListURL is a list that somebody publishes.
type ListURL struct {
	// Where it is: https, or http on this machine.
	URL string `json:"url"`

	// How often it is fetched, at least `1m`. After a failure the last good copy
	// stays in force, over a restart too. Default: `1h`.
	Every caddy.Duration `json:"every,omitempty"`
}

var listName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// validate reports the first mistake that shows without reading anything.
func (o *IPList) validate(name string) error {
	if !listName.MatchString(name) {
		return fmt.Errorf("'%s' is not a name: expected letters, digits, dots and - or _", name)
	}
	if o == nil || len(o.Ranges)+len(o.Files)+len(o.URLs) == 0 {
		return errors.New("has no source: expected file, url or ranges")
	}
	if _, err := address.Of(o.Ranges...); err != nil {
		return err
	}
	for _, c := range o.configs(name) {
		if strings.Contains(c.URL, "{") { // a placeholder: see openSource
			continue
		}
		if err := c.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// configs are the sources by themselves. Each has a name of its own, so that each
// has its copy on the disk.
func (o *IPList) configs(name string) (all []list.Config) {
	if len(o.Ranges) > 0 {
		all = append(all, list.Config{Ranges: o.Ranges})
	}
	for _, file := range o.Files {
		all = append(all, list.Config{File: file})
	}
	for _, u := range o.URLs {
		all = append(all, list.Config{URL: u.URL, Every: time.Duration(u.Every), Dir: filepath.Join(dataDir(), "lists")})
	}
	for i := range all {
		if all[i].Name = name; i > 0 {
			all[i].Name += "/" + strconv.Itoa(i+1)
		}
	}
	return all
}

// namedList is a list in use.
type namedList struct{ sources []*list.List }

// Contains implements address.Matcher.
func (l *namedList) Contains(ip netip.Addr) bool {
	for _, s := range l.sources {
		if s.Contains(ip) {
			return true
		}
	}
	return false
}

// Match implements address.Matcher.
func (l *namedList) Match(ip netip.Addr) (bits int, ok bool) {
	for _, s := range l.sources {
		if b, found := s.Match(ip); found {
			bits, ok = max(bits, b), true
		}
	}
	return bits, ok
}

// ipList returns the list of a name.
func (a *App) ipList(name string) (address.Matcher, error) {
	l := a.opened[name]
	switch {
	case l == nil:
		return nil, fmt.Errorf("no ip_list named %q", name)
	case len(l.sources) == 1:
		return l.sources[0], nil
	}
	return l, nil
}

func (a *App) openLists() error {
	a.opened = make(map[string]*namedList)
	for _, name := range slices.Sorted(maps.Keys(a.IPLists)) {
		o := a.IPLists[name]
		if err := o.validate(name); err != nil {
			return fmt.Errorf("ip_list %s: %w", name, err)
		}
		opened := new(namedList)
		a.opened[name] = opened
		for _, config := range o.configs(name) {
			source, err := a.openSource(config)
			if err != nil {
				return fmt.Errorf("ip_list %s: %w", name, err)
			}
			opened.sources = append(opened.sources, source)
		}
	}
	return nil
}

// openSource opens one source, or takes it over.
func (a *App) openSource(c list.Config) (*list.List, error) {
	var badFile, badURL error
	c.File, badFile = expand(c.File)
	c.URL, badURL = expand(c.URL)
	if err := errors.Join(badFile, badURL); err != nil {
		return nil, err
	}
	c.Log = a.state.logger()
	value, inUse, err := pools.lists.LoadOrNew(c.Key(), func() (caddy.Destructor, error) { return list.Open(c) })
	if err != nil {
		return nil, err
	}
	a.uses(pools.lists, c.Key())
	source := value.(*list.List)
	if inUse && c.File != "" {
		return source, lookAgain(source)
	}
	return source, nil
}

// lookAgain makes a file that was changed count now: whoever loads a
// configuration wants to know whether what it names is right. The second look is
// at a file that was written in place.
func lookAgain(follower interface{ Refresh(context.Context) error }) error {
	err := follower.Refresh(context.Background())
	if err == nil {
		err = follower.Refresh(context.Background())
	}
	return err
}

func (a *App) openDatabases() error {
	for _, path := range a.GeoIP {
		path, err := expand(path)
		if err != nil {
			return err
		}
		value, inUse, err := pools.databases.LoadOrNew(path, func() (caddy.Destructor, error) {
			return geo.Open(geo.Config{File: path, Log: a.state.logger()})
		})
		if err != nil {
			return err
		}
		a.uses(pools.databases, path)
		db := value.(*geo.DB)
		if inUse {
			if err := lookAgain(db); err != nil {
				return err
			}
		}
		a.databases = append(a.databases, db)
	}
	return nil
}

// crawlersKey is the key of the one crawlerRanges in its pool.
type crawlersKey struct{}

// crawlerRanges are the ranges that owners of crawlers publish, and the verifier
// that reads them.
type crawlerRanges struct {
	verifier *bots.Verifier
	lists    map[string]*list.List // by URL
}

// crawlersEvery is how often they are fetched.
const crawlersEvery = 24 * time.Hour

func newCrawlerRanges(log *zap.Logger) *crawlerRanges {
	c := &crawlerRanges{lists: make(map[string]*list.List)}
	for i, url := range bots.Default().RangeURLs() {
		l, err := list.Open(list.Config{
			Name: "crawlers/" + strconv.Itoa(i+1), URL: url, Every: crawlersEvery,
			Dir: filepath.Join(dataDir(), "lists"), Parse: bots.ReadRanges, Log: log,
		})
		if err != nil {
			log.Error("ranges of a crawler are not used", zap.String("url", url), zap.Error(err))
			continue
		}
		c.lists[url] = l
	}
	c.verifier = bots.NewVerifier(bots.Options{Log: log, Ranges: func(url string) *address.Set {
		if l := c.lists[url]; l != nil {
			return l.Set()
		}
		return nil
	}})
	return c
}

func (c *crawlerRanges) start() {
	for _, l := range c.lists {
		l.Start()
	}
}

// Destruct implements caddy.Destructor.
func (c *crawlerRanges) Destruct() error {
	errs := []error{c.verifier.Destruct()}
	for _, l := range c.lists {
		errs = append(errs, l.Destruct())
	}
	return errors.Join(errs...)
}

// verifier tells who only claims to be a crawler. That it is asked for is why the
// published ranges are fetched.
func (a *App) verifier() *bots.Verifier {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.crawlers == nil {
		value, _, _ := pools.crawlers.LoadOrNew(crawlersKey{}, func() (caddy.Destructor, error) {
			return newCrawlerRanges(a.state.logger()), nil
		})
		a.uses(pools.crawlers, crawlersKey{})
		a.crawlers = value.(*crawlerRanges)
	}
	return a.crawlers.verifier
}

// listStates tells of every source of every list, by name.
func (a *App) listStates() (all []list.State) {
	for _, l := range a.opened {
		for _, source := range l.sources {
			all = append(all, source.State())
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.crawlers != nil {
		for _, l := range a.crawlers.lists {
			all = append(all, l.State())
		}
	}
	slices.SortFunc(all, func(a, b list.State) int { return strings.Compare(a.Name, b.Name) })
	return all
}
