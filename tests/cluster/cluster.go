// A whole control plane in one folder: etcd, kube-apiserver and kube-controller-manager as children of this process.
//
// When it is ready it prints one line of JSON that says where everything is. It then reads commands from its standard input, a line
// each, and answers each with a line, `ok` or `error: …`:
//
//	stop PROGRAM     ends it by SIGTERM, which a program may take 5 s for
//	kill PROGRAM     ends it by SIGKILL
//	start PROGRAM    starts it again, on the same port and data
//	pause PROGRAM    SIGSTOP: it takes connections and answers nothing
//	resume PROGRAM   SIGCONT
//	compact          forgets etcd's history, so that watches from before get 410
//
// It ends, and all of its children with it, at the end of its input, by a signal, when a child ends that nobody stopped, and when
// the command ends that was given after `--`. Children die with it however it dies.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	readyWithin = 2 * time.Minute
	endsWithin  = 5 * time.Second
	// The network namespace has no default route, so the API server must be told an address; nobody connects to it.
	advertised = "10.244.255.254"
)

// A child dies when the thread that started it ends: all are started by the main thread, which never does.
func init() { runtime.LockOSThread() }

type cluster struct {
	folder   string
	pki      pki
	token    string
	etcd     string
	server   string
	client   *http.Client
	children map[string]*child
	// Runs that nobody asked to end.
	ended chan *running
	order []string
}

type child struct {
	name string
	args []string
	run  *running
}

type running struct {
	name     string
	process  *exec.Cmd
	done     chan struct{}
	expected atomic.Bool
}

func runCluster(args []string) int {
	if len(args) == 0 || len(args) > 1 && args[1] != "--" {
		fmt.Fprintln(os.Stderr, usage)
		return 2
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	c, err := newCluster(args[0])
	if err == nil {
		defer c.stopAll()
		err = c.startAll(signals)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "control-plane: %v\n", err)
		return 1
	}
	if len(args) > 2 {
		return c.runCommand(args[2:], signals)
	}
	return c.serve(signals)
}

func newCluster(folder string) (*cluster, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	keys, err := makePKI(filepath.Join(folder, "pki"))
	if err != nil {
		return nil, err
	}
	token, err := keepToken(filepath.Join(folder, "tokens.csv"))
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	ca, err := os.ReadFile(keys.certificate(authority))
	if err != nil {
		return nil, err
	}
	roots.AppendCertsFromPEM(ca)
	c := &cluster{
		folder: folder, pki: keys, token: token,
		etcd:     fmt.Sprintf("http://127.0.0.1:%d", ports[0]),
		server:   fmt.Sprintf("https://127.0.0.1:%d", ports[2]),
		client:   &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}},
		children: map[string]*child{}, ended: make(chan *running, 8),
	}
	c.define(ports)
	return c, c.writeKubeconfig(string(ca))
}

// keepToken gives the administrator's token, which the token file holds.
func keepToken(path string) (string, error) {
	if text, err := os.ReadFile(path); err == nil {
		token, _, _ := strings.Cut(string(text), ",")
		return token, nil
	}
	token, err := randomToken()
	if err != nil {
		return "", err
	}
	return token, os.WriteFile(path, []byte(token+",admin,admin,\"system:masters\"\n"), 0o600)
}

// freePorts finds ports below those that the kernel gives to connections and to port 0, so that nobody takes them meanwhile.
func freePorts(count int) ([]int, error) {
	var found []int
	for range 1000 {
		port := 10000 + rand.Intn(20000)
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		defer listener.Close()
		if found = append(found, port); len(found) == count {
			return found, nil
		}
	}
	return nil, errors.New("there are no free ports between 10000 and 30000")
}

func (c *cluster) define(ports []int) {
	add := func(name string, args ...string) {
		c.children[name] = &child{name: name, args: args}
		c.order = append(c.order, name)
	}
	peers := fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	add("etcd", "--name=default", "--data-dir="+filepath.Join(c.folder, "etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls="+c.etcd, "--advertise-client-urls="+c.etcd, "--listen-peer-urls="+peers,
		// The cluster has one member, whose address may differ from the last start's.
		"--initial-advertise-peer-urls="+peers, "--initial-cluster=default="+peers, "--force-new-cluster")
	add("kube-apiserver", "--etcd-servers="+c.etcd, "--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", ports[2]),
		"--advertise-address="+advertised, "--endpoint-reconciler-type=none",
		"--tls-cert-file="+c.pki.certificate(apiServing), "--tls-private-key-file="+c.pki.key(apiServing),
		"--client-ca-file="+c.pki.certificate(authority), "--token-auth-file="+filepath.Join(c.folder, "tokens.csv"),
		"--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/16",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+c.pki.certificate(serviceAccount),
		"--service-account-signing-key-file="+c.pki.key(serviceAccount),
		"--kubelet-client-certificate="+c.pki.certificate(kubeletClient), "--kubelet-client-key="+c.pki.key(kubeletClient),
		"--kubelet-certificate-authority="+c.pki.certificate(authority), "--kubelet-preferred-address-types=InternalIP",
		"--shutdown-delay-duration=0s")
	add("kube-controller-manager", "--kubeconfig="+c.kubeconfig(), "--leader-elect=false", "--secure-port=0",
		"--service-account-private-key-file="+c.pki.key(serviceAccount), "--root-ca-file="+c.pki.certificate(authority),
		"--kube-api-qps=2000", "--kube-api-burst=4000")
}

func (c *cluster) kubeconfig() string { return filepath.Join(c.folder, "kubeconfig") }

func (c *cluster) writeKubeconfig(ca string) error {
	config := map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "test",
		"clusters": []any{map[string]any{"name": "test", "cluster": map[string]any{"server": c.server, "certificate-authority-data": []byte(ca)}}},
		"users":    []any{map[string]any{"name": "admin", "user": map[string]any{"token": c.token}}},
		"contexts": []any{map[string]any{"name": "test", "context": map[string]any{"cluster": "test", "user": "admin", "namespace": "default"}}},
	}
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(c.kubeconfig(), append(text, '\n'), 0o600)
}

func (c *cluster) startAll(signals chan os.Signal) error {
	deadline := time.Now().Add(readyWithin)
	for _, name := range c.order {
		if err := c.start(name); err != nil {
			return err
		}
		if name == "kube-apiserver" {
			if err := c.waitFor("/readyz", deadline, signals); err != nil {
				return err
			}
		}
	}
	// Pods can be made once the controllers have made their namespace's service account.
	return c.waitFor("/api/v1/namespaces/default/serviceaccounts/default", deadline, signals)
}

func (c *cluster) start(name string) error {
	one := c.children[name]
	if one == nil {
		return fmt.Errorf("there is no program %q; there are %s", name, strings.Join(c.order, ", "))
	}
	if one.run != nil {
		return fmt.Errorf("%s runs", name)
	}
	log, err := os.OpenFile(filepath.Join(c.folder, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	process := exec.Command("/proc/self/exe", append([]string{name}, one.args...)...)
	process.Stdout, process.Stderr = log, log
	// Two cores have other things to do than to collect garbage; the second bounds what that costs in memory.
	process.Env = append(os.Environ(), "GOGC=400", "GOMEMLIMIT=3GiB")
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := process.Start(); err != nil {
		return err
	}
	run := &running{name: name, process: process, done: make(chan struct{})}
	one.run = run
	go func() {
		_ = process.Wait()
		close(run.done)
		if !run.expected.Load() {
			c.ended <- run
		}
	}()
	return nil
}

// waitFor polls a path of the API server until it answers 200.
func (c *cluster) waitFor(path string, deadline time.Time, signals chan os.Signal) error {
	last := "no answer yet"
	for time.Now().Before(deadline) {
		request, err := http.NewRequest(http.MethodGet, c.server+path, nil)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+c.token)
		if answer, err := c.client.Do(request); err != nil {
			last = err.Error()
		} else {
			_, _ = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			if last = answer.Status; answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case one := <-c.ended:
			return c.told(one)
		case got := <-signals:
			return fmt.Errorf("%s before it was ready", got)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return fmt.Errorf("%s was not there within %s: %s; the logs are in %s", path, readyWithin, last, c.folder)
}

func (c *cluster) told(one *running) error {
	path := filepath.Join(c.folder, one.name+".log")
	text, _ := os.ReadFile(path)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return fmt.Errorf("%s ended (%s); the end of %s:\n%s", one.name, one.process.ProcessState, path,
		strings.Join(lines[max(0, len(lines)-5):], "\n"))
}

func (c *cluster) where() string {
	text, _ := json.Marshal(map[string]string{
		"kubeconfig": c.kubeconfig(), "server": c.server, "etcd": c.etcd, "pki": c.pki.folder, "folder": c.folder,
	})
	return string(text)
}

func (c *cluster) serve(signals chan os.Signal) int {
	fmt.Println(c.where())
	lines := make(chan string)
	go func() {
		scanner := bufio.NewScanner(os.Stdin)
		for scanner.Scan() {
			lines <- scanner.Text()
		}
		close(lines)
	}()
	for {
		select {
		case line, open := <-lines:
			if !open {
				return 0
			}
			if err := c.obey(strings.Fields(line), signals); err != nil {
				fmt.Printf("error: %s\n", strings.ReplaceAll(err.Error(), "\n", " "))
			} else {
				fmt.Println("ok")
			}
		case <-signals:
			return 0
		case one := <-c.ended:
			fmt.Fprintf(os.Stderr, "control-plane: %v\n", c.told(one))
			return 1
		}
	}
}

func (c *cluster) obey(words []string, signals chan os.Signal) error {
	switch {
	case len(words) == 1 && words[0] == "compact":
		return c.compact()
	case len(words) != 2:
		return errors.New("a command is start, stop, kill, pause or resume and a program, or compact")
	case words[0] == "start":
		if err := c.start(words[1]); err != nil || words[1] != "kube-apiserver" {
			return err
		}
		return c.waitFor("/readyz", time.Now().Add(readyWithin), signals)
	}
	one := c.children[words[1]]
	if one == nil || one.run == nil {
		return fmt.Errorf("%s does not run", words[1])
	}
	switch words[0] {
	case "stop", "kill":
		c.stop(one, words[0] == "kill")
		return nil
	case "pause":
		return one.run.process.Process.Signal(syscall.SIGSTOP)
	case "resume":
		return one.run.process.Process.Signal(syscall.SIGCONT)
	default:
		return fmt.Errorf("there is no command %q", words[0])
	}
}

// compact makes etcd forget every revision but the newest.
func (c *cluster) compact() error {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{c.etcd}, DialTimeout: endsWithin})
	if err != nil {
		return err
	}
	defer client.Close()
	deadline, cancel := context.WithTimeout(context.Background(), endsWithin)
	defer cancel()
	now, err := client.Get(deadline, "compact")
	if err != nil {
		return err
	}
	_, err = client.Compact(deadline, now.Header.Revision, clientv3.WithCompactPhysical())
	return err
}

func (c *cluster) stop(one *child, force bool) {
	run := one.run
	run.expected.Store(true)
	if force {
		_ = run.process.Process.Kill()
	}
	_ = run.process.Process.Signal(syscall.SIGCONT)
	_ = run.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-run.done:
	case <-time.After(endsWithin):
		_ = run.process.Process.Kill()
		<-run.done
	}
	one.run = nil
}

// stopAll ends everything by force: nothing in a test cluster is worth waiting for.
func (c *cluster) stopAll() {
	for _, one := range c.children {
		if one.run != nil {
			c.stop(one, true)
		}
	}
}

// runCommand runs a command that finds the cluster by KUBECONFIG; its end is the cluster's.
func (c *cluster) runCommand(words []string, signals chan os.Signal) int {
	command := exec.Command(words[0], words[1:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.Env = append(os.Environ(), "KUBECONFIG="+c.kubeconfig(), "DOORSTEP_TEST_CONTROL_PLANE="+c.where())
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "control-plane: %v\n", err)
		return 127
	}
	done := make(chan struct{})
	go func() {
		_ = command.Wait()
		close(done)
	}()
	for {
		select {
		case <-done:
			return max(command.ProcessState.ExitCode(), 0)
		case got := <-signals:
			// An interrupt of the terminal has reached the command as well, which decides by itself.
			if got != syscall.SIGINT {
				_ = command.Process.Signal(got)
			}
		case one := <-c.ended:
			fmt.Fprintf(os.Stderr, "control-plane: %v\n", c.told(one))
			_ = command.Process.Kill()
			<-done
			return 1
		}
	}
}
