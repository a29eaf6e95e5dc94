package cachehandler

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/caddy-portico/portico/internal/route"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "cache",
		Short: "Looks into the response_cache of a running Caddy",
		Long: `
Asks the admin endpoint of a running Caddy about its response_cache.

The address of the endpoint is that of --address or, if not given, the one in
the file of --config, or the default.`,
		CobraFunc: setUpCommand,
	})
}

func setUpCommand(cmd *cobra.Command) {
	cmd.PersistentFlags().StringP("config", "c", "", "Configuration file to use to parse the admin address, if --address is not used")
	cmd.PersistentFlags().StringP("adapter", "a", "", "Name of config adapter to apply (when --config is used)")
	cmd.PersistentFlags().StringP("address", "", "", "The address to use to reach the admin API endpoint, if not the default")
	cmd.PersistentFlags().BoolP("json", "", false, "Print the answer of the admin endpoint as it is")
	cmd.AddCommand(explainCommand(), statsCommand())
}

func explainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain <url> [-H '<name>: <value>']... [-X <method>]",
		Short: "Says what the cache would do with a request, and why",
		Long: `
Says what the cache would do with a request for an absolute URL: which
handler of the running configuration it comes to, its key, what is stored
under it and what of that it selects, how old that is and for how long it may
be used, what happens if nothing answers it, and what a purge would drop.

Nothing is changed, and the origin is not asked.`,
		Example: `caddy cache explain https://example.com/ -H 'Accept-Encoding: gzip, br' -H 'Accept-Language: de'`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{"url": args}
			query["header"], _ = cmd.Flags().GetStringArray("header")
			for parameter, flag := range map[string]string{"method": "method", "remote_ip": "remote-ip"} {
				if value, _ := cmd.Flags().GetString(flag); value != "" {
					query.Set(parameter, value)
				}
			}
			return ask(cmd, "/response_cache/explain", query, printExplanation)
		},
	}
	cmd.Flags().StringArrayP("header", "H", nil, "A field of the request; may be given more than once")
	cmd.Flags().StringP("method", "X", "", "The method of the request (default GET)")
	cmd.Flags().StringP("remote-ip", "", "", "The address of the client (default "+route.TestNet+")")
	return cmd
}

func statsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "stats",
		Short: "Says what the stores hold",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(cmd, "/response_cache/stats", nil, printStats)
		},
	}
}

// ask prints what the admin endpoint answers. What is asked goes into a form and
// not into the URL, which the endpoint logs: there may be a cookie in it.
func ask(cmd *cobra.Command, path string, form url.Values, print func(io.Writer, io.Reader) error) error {
	flag := func(name string) string {
		value, _ := cmd.Flags().GetString(name)
		return value
	}
	address, err := caddycmd.DetermineAdminAPIAddress(flag("address"), nil, flag("config"), flag("adapter"))
	if err != nil {
		return fmt.Errorf("finding the admin endpoint: %w", err)
	}
	method, header, body := http.MethodGet, http.Header{}, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := caddycmd.AdminAPIRequest(address, method, path, header, body)
	if err != nil {
		return fmt.Errorf("asking the admin endpoint: %w", err)
	}
	defer res.Body.Close()
	if raw, _ := cmd.Flags().GetBool("json"); raw {
		_, err = io.Copy(cmd.OutOrStdout(), res.Body)
		return err
	}
	return print(cmd.OutOrStdout(), res.Body)
}

func printStats(w io.Writer, answer io.Reader) error {
	var all struct {
		Stores []storeStats `json:"stores"`
	}
	if err := json.NewDecoder(answer).Decode(&all); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	for _, s := range all.Stores {
		fmt.Fprintf(w, "%s (%s): %d responses in %s of %s, %d dropped to make room\n", s.Store, s.Tier, s.Objects,
			humanize.IBytes(uint64(max(0, s.Bytes))), humanize.IBytes(uint64(max(0, s.Budget))), s.Evictions)
	}
	return nil
}
