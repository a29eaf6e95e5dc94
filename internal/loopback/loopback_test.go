package loopback

import (
	"net"
	"testing"
)

// An address is free, given once, and of a block that another process cannot claim.
func TestFreeAddr(t *testing.T) {
	given := map[string]bool{}
	for range 3 * blockSize {
		addr, err := FreeAddr()
		if err != nil {
			t.Fatal(err)
		}
		if given[addr] {
			t.Fatalf("%s is given twice", addr)
		}
		given[addr] = true
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	for _, c := range mine.claims {
		if _, err := listen(c.Addr().(*net.TCPAddr).Port); err == nil {
			t.Errorf("the block of %s can be claimed again", c.Addr())
		}
	}
}
