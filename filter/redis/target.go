package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// A Target is a parsed address of a Redis or Valkey.
type Target struct {
	option rueidis.ClientOption
	text   string // without the password
}

// String is the address without its password, for logs.
func (t Target) String() string { return t.text }

const defaultPort, sentinelPort = "6379", "26379"

// Parse reads an address:
//
//	redis://[user:password@]host[:port][,host[:port]…][/db]   also valkey://
//	rediss://…                                                 with TLS, also valkeys://
//	redis+sentinel://host[:port][,…]/master[/db]               also rediss+sentinel://
//	unix:///run/redis.sock[?db=1]
//
// Several hosts are nodes of one cluster. Ports are 6379, and 26379 for sentinels,
// if not given. With TLS, ?ca=<file> names the certificates of the authorities to
// trust, instead of the system's. User and password are percent-encoded; with
// sentinels they are those of the master and of the sentinels.
//
// Whatever else it says is an error, which never repeats the password.
func Parse(address string) (Target, error) {
	var t Target
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return t, errors.New("the address of a Redis begins with a scheme, as in redis://host:6379")
	}
	kind, sentinel := strings.CutSuffix(scheme, "+sentinel")
	hosts, rest := splitHosts(rest)
	u, err := url.Parse("redis://" + rest)
	if err != nil {
		return t, errors.New("not a URL; a special character in a password is percent-encoded, as in p%40ss")
	}
	t.text = scheme + "://" + strings.Join(hosts, ",") + u.Path
	t.option.Username = u.User.Username()
	t.option.Password, _ = u.User.Password()
	switch {
	case kind == "unix" && !sentinel:
		err = t.unix(hosts, u)
	case kind == "redis" || kind == "valkey":
		err = t.network(hosts, u, sentinel)
	case kind == "rediss" || kind == "valkeys":
		t.option.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		err = t.network(hosts, u, sentinel)
	default:
		err = fmt.Errorf("scheme %q is none of redis, rediss, valkey, valkeys, redis+sentinel, rediss+sentinel, unix", scheme)
	}
	if err == nil {
		err = t.query(u)
	}
	return t, err
}

// splitHosts takes the hosts out of what follows the scheme: URLs have only one.
func splitHosts(rest string) (hosts []string, without string) {
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	user := strings.LastIndexByte(rest[:end], '@') + 1
	if user < end {
		hosts = strings.Split(rest[user:end], ",")
	}
	return hosts, rest[:user] + "host" + rest[end:]
}

func (t *Target) unix(hosts []string, u *url.URL) error {
	if len(hosts) > 0 || len(u.Path) < 2 {
		return errors.New("the address of a unix socket is unix:///path")
	}
	t.option.InitAddress = []string{u.Path}
	t.option.DialCtxFn = dialUnix
	return nil
}

func (t *Target) network(hosts []string, u *url.URL, sentinel bool) error {
	port := defaultPort
	if sentinel {
		port = sentinelPort
	}
	if len(hosts) == 0 {
		return errors.New("the address of a Redis names no host")
	}
	for _, h := range hosts {
		a, err := hostPort(h, port)
		if err != nil {
			return err
		}
		t.option.InitAddress = append(t.option.InitAddress, a)
	}
	steps := strings.Split(strings.Trim(path.Clean("/"+u.Path), "/"), "/")
	if sentinel {
		if steps[0] == "" {
			return errors.New("the address of sentinels ends in the name of the master, as in redis+sentinel://host/mymaster")
		}
		t.option.Sentinel = rueidis.SentinelOption{
			MasterSet: steps[0], TLSConfig: t.option.TLSConfig,
			Username: t.option.Username, Password: t.option.Password,
		}
		steps = append(steps[1:], "")
	}
	if len(steps) > 1 && steps[1] != "" {
		return fmt.Errorf("path %q is not a database's number", u.Path)
	}
	return t.database(steps[0])
}

func hostPort(h, port string) (string, error) {
	host := h
	if strings.HasPrefix(h, "[") && strings.HasSuffix(h, "]") {
		host = h[1 : len(h)-1]
	} else if strings.Contains(h, ":") {
		var err error
		if host, port, err = net.SplitHostPort(h); err != nil {
			return "", fmt.Errorf("%q is not a host and a port", h)
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("%q is not a host and a port", h)
	}
	if host == "" || strings.ContainsAny(host, " \t{}%") {
		return "", fmt.Errorf("%q names no host", h)
	}
	return net.JoinHostPort(host, port), nil
}

func (t *Target) database(text string) error {
	if text == "" {
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return fmt.Errorf("%q is not a database's number", text)
	}
	if n > 0 && len(t.option.InitAddress) > 1 && t.option.Sentinel.MasterSet == "" {
		return errors.New("a cluster has only database 0")
	}
	t.option.SelectDB = int(n)
	return nil
}

func (t *Target) query(u *url.URL) error {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil || u.Fragment != "" {
		return errors.New("what follows the path is not a list of parameters")
	}
	for name, v := range values {
		switch {
		case name == "db" && t.option.DialCtxFn != nil:
			err = t.database(v[0])
		case name == "ca" && t.option.TLSConfig != nil:
			err = t.authorities(v[0])
		default:
			err = fmt.Errorf("parameter %q is not known for this scheme", name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *Target) authorities(file string) error {
	pem, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s has no certificate", file)
	}
	t.option.TLSConfig.RootCAs = pool
	return nil
}
