package lbpolicy

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-portico/portico/lbpolicy/eject"
)

// A detector ejects the members of one pool. It outlives a reload that leaves
// the pool and the options of eject as they are.
type detector struct {
	key string
	*eject.Detector

	mu    sync.Mutex
	hosts map[string]*eject.Host // by address; guarded by mu
}

// detectors are those in use, by what they watch.
var detectors = caddy.NewUsagePool()

func acquireDetector(b *balancer) *detector {
	key := b.detectorKey()
	value, _, err := detectors.LoadOrNew(key, func() (caddy.Destructor, error) {
		return &detector{
			key:      key,
			Detector: eject.New(b.options.Eject.config()),
			hosts:    make(map[string]*eject.Host),
		}, nil
	})
	if err != nil { // the constructor returns none
		panic(err)
	}
	return value.(*detector)
}

// detectorKey names the pool and the options.
func (b *balancer) detectorKey() string {
	options, err := json.Marshal(b.options.Eject)
	if err != nil { // numbers only
		panic(err)
	}
	parts := []string{b.policy, string(options)}
	if h := b.tap.handler; h != nil {
		if h.DynamicUpstreamsRaw != nil {
			parts = append(parts, string(h.DynamicUpstreamsRaw), strconv.Itoa(b.tier))
		}
		for _, address := range slices.Sorted(maps.Keys(b.tap.static)) {
			if b.serves(address) {
				parts = append(parts, address)
			}
		}
	}
	return strings.Join(parts, "\n")
}

func releaseDetector(d *detector) { _, _ = detectors.Delete(d.key) }

// Destruct implements caddy.Destructor.
func (*detector) Destruct() error { return nil }

// host returns the detector's host at address.
func (d *detector) host(address string) *eject.Host {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.hosts[address]
	if h == nil {
		h = d.Add()
		d.hosts[address] = h
	}
	return h
}

// remove forgets the host at address, which has left the pool.
func (d *detector) remove(address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if h := d.hosts[address]; h != nil {
		d.Remove(h)
		delete(d.hosts, address)
	}
}

// An ejection is that of one upstream by one policy.
type ejection struct {
	why  eject.Reason
	left time.Duration
}

// ejectionsOf returns the ejections of the upstream at address.
func ejectionsOf(address string) (all []ejection) {
	now := clock()
	detectors.Range(func(_, value any) bool {
		d := value.(*detector)
		d.mu.Lock()
		defer d.mu.Unlock()
		if h := d.hosts[address]; h != nil {
			if why, left := h.Ejected(now); why != eject.None {
				all = append(all, ejection{why, left})
			}
		}
		return true
	})
	return all
}
