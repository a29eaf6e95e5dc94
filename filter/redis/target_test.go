package redis

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	type want struct {
		Hosts                   []string
		User, Password, Master  string
		Database                int
		TLS, Unix               bool
		SentinelPassword, Shown string
	}
	tests := []struct {
		address string
		want    want
	}{
		{"redis://10.0.0.5", want{Hosts: []string{"10.0.0.5:6379"}, Shown: "redis://10.0.0.5"}},
		{"valkey://cache:6380/3", want{Hosts: []string{"cache:6380"}, Database: 3, Shown: "valkey://cache:6380/3"}},
		{"redis://u:p%40s,s%2F@h/1", want{
			Hosts: []string{"h:6379"}, User: "u", Password: "p@s,s/", Database: 1, Shown: "redis://h/1",
		}},
		{"rediss://:secret@a,b:7000,[::1]:7001", want{
			Hosts: []string{"a:6379", "b:7000", "[::1]:7001"}, Password: "secret", TLS: true, Shown: "rediss://a,b:7000,[::1]:7001",
		}},
		{"redis+sentinel://:pw@s1,s2:26380/mymaster/2", want{
			Hosts: []string{"s1:26379", "s2:26380"}, Password: "pw", SentinelPassword: "pw", Master: "mymaster",
			Database: 2, Shown: "redis+sentinel://s1,s2:26380/mymaster/2",
		}},
		{"rediss+sentinel://s1/m", want{
			Hosts: []string{"s1:26379"}, Master: "m", TLS: true, Shown: "rediss+sentinel://s1/m",
		}},
		{"redis://[2001:db8::1]", want{Hosts: []string{"[2001:db8::1]:6379"}, Shown: "redis://[2001:db8::1]"}},
		{"unix:///run/redis.sock?db=1", want{
			Hosts: []string{"/run/redis.sock"}, Unix: true, Database: 1, Shown: "unix:///run/redis.sock",
		}},
	}
	for _, tt := range tests {
		target, err := Parse(tt.address)
		if err != nil {
			t.Errorf("%s: %v", tt.address, err)
			continue
		}
		o := target.option
		got := want{
			o.InitAddress, o.Username, o.Password, o.Sentinel.MasterSet,
			o.SelectDB,
			o.TLSConfig != nil, o.DialCtxFn != nil,
			o.Sentinel.Password, target.String(),
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.address, diff)
		}
	}
}

// What is wrong is refused when the configuration is loaded, and no message
// repeats the password.
func TestParseRefuses(t *testing.T) {
	for address, want := range map[string]string{
		"":                                "scheme",
		"10.0.0.5:6379":                   "scheme",
		"http://:secret@host":             "none of",
		"unix+sentinel:///x":              "none of",
		"redis://":                        "no host",
		"redis://:secret@":                "no host",
		"redis://:secret@a,,b":            "no host",
		"redis://host:0":                  "not a host and a port",
		"redis://host:99999":              "not a host and a port",
		"redis://host:port":               "not a host and a port",
		"redis://2001:db8::1":             "not a host and a port",
		"redis://host/x":                  "database",
		"redis://host/-1":                 "database",
		"redis://host/1/2":                "database",
		"redis://a,b/1":                   "only database 0",
		"redis://:se%cret@host":           "percent-encoded",
		"redis://host?timeout=1s":         "not known",
		"redis://host?ca=/x":              "not known",
		"redis://host#x":                  "parameters",
		"rediss://host?ca=/does/not/be":   "certificates",
		"rediss://host?ca=target_test.go": "no certificate",
		"redis+sentinel://host":           "name of the master",
		"redis+sentinel://host/m/x":       "database",
		"redis+sentinel://host/m/1/2":     "database",
		"unix://host/x":                   "unix:///path",
		"unix:///":                        "unix:///path",
	} {
		_, err := Parse(address)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", address, err, want)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the password is in the error: %v", address, err)
		}
	}
}

func TestCheckPrefix(t *testing.T) {
	for prefix, ok := range map[string]bool{
		"portico:": true, "a/b-c:": true, "{x}": false, "a b": false, "x\r\nFLUSHALL": false,
		strings.Repeat("x", 129): false,
	} {
		if err := CheckPrefix(prefix); (err == nil) != ok {
			t.Errorf("%q: %v, want ok = %t", prefix, err, ok)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("redis://u:secret@a:1,b/1?ca=x")
	f.Add("rediss+sentinel://[::1]:26379,x/m/1")
	f.Add("unix:///x?db=1")
	f.Fuzz(func(t *testing.T, address string) {
		if strings.Contains(address, "ca=") {
			return // reads a file
		}
		target, err := Parse(address)
		if err == nil && len(target.option.InitAddress) == 0 {
			t.Errorf("%q: accepted without a host", address)
		}
	})
}
