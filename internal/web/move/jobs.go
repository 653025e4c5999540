package move

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/netserve"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/transfer"
	"github.com/postiljon/postiljon/internal/web/answer"
	"github.com/postiljon/postiljon/internal/web/page"
)

const (
	// How many jobs run at once, in all and of one account.
	maxRunning        = 16
	maxAccountRunning = 2
	// keepEvery is how often a running job is noted, tellEvery how often its watchers are told.
	keepEvery = 5 * time.Second
	tellEvery = 400 * time.Millisecond
)

// Job is a job as the JSON interface tells of it.
type Job struct {
	ID       string             `json:"id"`
	Kind     store.JobKind      `json:"kind"`  // import or fetch
	State    store.JobState     `json:"state"` // running, done, failed, cancelled or interrupted
	Name     string             `json:"name"`  // what is imported, to be shown
	File     string             `json:"file,omitempty"`
	Into     string             `json:"into,omitempty"`
	Host     string             `json:"host,omitempty"`
	Port     int                `json:"port,omitempty"`
	TLS      string             `json:"tls,omitempty"`
	User     string             `json:"user,omitempty"`
	Created  time.Time          `json:"created"`
	Ended    time.Time          `json:"ended,omitzero"`
	Progress store.JobProgress  `json:"progress"`
	Left     int64              `json:"secondsLeft,omitempty"` // about; 0 if that is not known
	Failures []store.JobFailure `json:"failures"`              // the first of them
	Refusal  *answer.Refusal    `json:"refusal,omitempty"`     // why it ended before its end
	Detail   string             `json:"detail,omitempty"`      // what the other server said, technical
	// AppPasswordURL is where the provider has passwords made for programs, if that is why it refused the sign-in.
	AppPasswordURL string `json:"appPasswordUrl,omitempty"`
}

// jobs are those that run.
type jobs struct {
	mu       sync.Mutex
	running  map[string]*run
	wait     sync.WaitGroup
	stopping bool
}

func (j *jobs) init() { j.running = map[string]*run{} }

// run is a job at work.
type run struct {
	begun  time.Time
	cancel context.CancelCauseFunc
	done   chan struct{}

	mu  sync.Mutex
	job store.Job
}

var (
	errCancelled = errors.New("move: cancelled")
	errStopping  = errors.New("move: the service stops")
)

// tell changes what is known of a running job.
func (r *run) tell(fn func(p *store.JobProgress)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn(&r.job.Progress)
}

// failure notes a message that could not be taken.
func (r *run) failure(where string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.job.Progress.Failed++
	if len(r.job.Failures) < store.MaxJobFailures {
		r.job.Failures = append(r.job.Failures, store.JobFailure{Where: where, Why: err.Error(), Cause: causeOfOne(err)})
	}
}

// causeOfOne names why one message was not taken, "" where only the error says it.
func causeOfOne(err error) cause.ID {
	switch {
	case errors.Is(err, transfer.ErrTooLarge):
		return cause.ContentTooLargeOwn
	case errors.Is(err, transfer.ErrDamaged):
		return cause.FileDamaged
	case store.KindOf(err) == store.KindLimit:
		return cause.MailboxLimit
	}
	return ""
}

func (r *run) now() store.Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := r.job
	j.Failures = slices.Clone(j.Failures)
	return j
}

// left is about how long a job still takes, by what it did so far.
func (r *run) left(p *store.JobProgress, now time.Time) int64 {
	done, total := p.Octets, p.OctetsTotal
	if total == 0 {
		done, total = p.Messages, p.MessagesTotal
	}
	spent := now.Sub(r.begun)
	if done <= 0 || total <= done || spent < 2*time.Second {
		return 0
	}
	return int64((spent * time.Duration(total-done) / time.Duration(done)).Seconds()) + 1
}

// stopped is an error that ends a job, with its cause.
type stopped struct {
	cause  cause.ID
	detail string
}

func (e *stopped) Error() string { return fmt.Sprintf("%s: %s", e.cause, e.detail) }

// begin starts a job. work ends with its context. Where it cannot start, it has refused.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, j store.Job, work func(context.Context, *run) error) {
	if !s.jobs.room(j.Account) {
		s.answer.Refuse(w, r, http.StatusTooManyRequests, cause.Wait(cause.LimitConnections, time.Now().Add(time.Minute)))
		return
	}
	j, err := s.options.Store.CreateJob(r.Context(), j.Account, j)
	if err != nil {
		s.answer.Failed(w, r, err)
		return
	}
	one := s.start(j, work)
	if one == nil {
		s.answer.Refuse(w, r, http.StatusServiceUnavailable, cause.Wait(cause.ProviderMaintenanceStop, time.Now().Add(10*time.Second)))
		return
	}
	w.Header().Set("Location", "/api/jobs/"+j.ID)
	s.answer.Accepted(w, s.describe(r, one.now()))
}

// room reports whether an account may run one more job.
func (j *jobs) room(a store.AccountID) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	of := 0
	for _, one := range j.running {
		if one.job.Account == a { // never changes
			of++
		}
	}
	return !j.stopping && of < maxAccountRunning && len(j.running) < maxRunning
}

// start runs a job that is noted; nil if the service stops.
func (s *Server) start(j store.Job, work func(context.Context, *run) error) *run {
	ctx, cancel := context.WithCancelCause(context.Background())
	one := &run{begun: time.Now(), cancel: cancel, done: make(chan struct{}), job: j}
	s.jobs.mu.Lock()
	defer s.jobs.mu.Unlock()
	if s.jobs.stopping {
		cancel(errStopping)
		return nil
	}
	s.jobs.running[j.ID] = one
	s.jobs.wait.Go(func() {
		kept := make(chan struct{})
		go func() {
			defer close(kept)
			s.keep(ctx, one)
		}()
		err := work(ctx, one)
		why := context.Cause(ctx)
		cancel(nil)
		<-kept
		s.end(one, err, why)
	})
	return one
}

// keep notes now and then how a job is.
func (s *Server) keep(ctx context.Context, one *run) {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			j := one.now()
			switch err := s.options.Store.PutJob(ctx, &j); {
			case store.KindOf(err) == store.KindNotFound: // its account is gone
				one.cancel(errCancelled)
			case err != nil && ctx.Err() == nil:
				s.options.Log.Warn("move: a job was not noted", "job", j.ID, "error", err)
			}
		}
	}
}

// end notes how a job ended; why is what ended its context, nil if nothing did.
func (s *Server) end(one *run, err, why error) {
	one.mu.Lock()
	j := &one.job
	j.Ended = s.options.Store.Now().UTC()
	var stop *stopped
	switch {
	case err == nil:
		j.State = store.JobDone
	case errors.Is(why, errStopping):
		j.State = store.JobInterrupted
	case why != nil:
		j.State = store.JobCancelled
	case errors.As(err, &stop):
		j.State, j.Cause, j.Detail = store.JobFailed, stop.cause, stop.detail
	default:
		j.State, j.Cause = store.JobFailed, causeOf(err)
		s.options.Log.Error("move: a job failed", "job", j.ID, "kind", j.Kind, "error", err)
	}
	copied := *j
	one.mu.Unlock()
	if err := s.options.Store.PutJob(context.Background(), &copied); err != nil && store.KindOf(err) != store.KindNotFound {
		s.options.Log.Warn("move: the end of a job was not noted", "job", copied.ID, "error", err)
	}
	s.jobs.mu.Lock()
	delete(s.jobs.running, copied.ID)
	s.jobs.mu.Unlock()
	close(one.done)
}

// causeOf names why the store did not take something.
func causeOf(err error) cause.ID {
	switch store.KindOf(err) {
	case store.KindOverQuota:
		return cause.QuotaMailboxFull
	case store.KindLimit:
		return cause.MailboxLimit
	case store.KindNoSpace, store.KindCorrupt:
		return cause.ProviderStorageFailed
	}
	return cause.ProviderBackendBroken
}

// Start goes on with the imports of files that the end of the service interrupted; what was fetched from elsewhere needs the
// password again.
func (s *Server) Start(ctx context.Context) error {
	return s.options.Store.AllJobs(ctx, func(j store.Job) error {
		again := j.Kind == store.JobImport && (j.State == store.JobRunning || j.State == store.JobInterrupted)
		if again && s.jobs.room(j.Account) {
			j.State, j.Ended, j.Progress, j.Failures = store.JobRunning, time.Time{}, store.JobProgress{}, nil
			s.start(j, s.importing)
			return nil
		}
		if j.State != store.JobRunning {
			return nil
		}
		j.State, j.Ended = store.JobInterrupted, s.options.Store.Now().UTC()
		return s.options.Store.PutJob(ctx, &j)
	})
}

// Close ends the jobs and waits for them.
func (s *Server) Close(ctx context.Context) error {
	s.jobs.mu.Lock()
	s.jobs.stopping = true
	for _, one := range s.jobs.running {
		one.cancel(errStopping)
	}
	s.jobs.mu.Unlock()
	over := make(chan struct{})
	go func() {
		defer close(over)
		s.jobs.wait.Wait()
	}()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Server) running(a store.AccountID, id string) *run {
	s.jobs.mu.Lock()
	defer s.jobs.mu.Unlock()
	if one := s.jobs.running[id]; one != nil && one.job.Account == a {
		return one
	}
	return nil
}

// job returns a job as it is now.
func (s *Server) job(ctx context.Context, a store.AccountID, id string) (store.Job, error) {
	if one := s.running(a, id); one != nil {
		return one.now(), nil
	}
	return s.options.Store.Job(ctx, a, id)
}

func (s *Server) describe(r *http.Request, j store.Job) Job {
	d := Job{
		ID: j.ID, Kind: j.Kind, State: j.State, Name: j.Name, File: j.File, Into: j.Into, Host: j.Host, Port: j.Port, TLS: j.TLS, User: j.User,
		Created: j.Created, Ended: j.Ended, Progress: j.Progress, Detail: j.Detail,
	}
	d.Failures = make([]store.JobFailure, len(j.Failures))
	for i, f := range j.Failures {
		if f.Cause != "" { // in the reader's language
			f.Why = s.options.Catalogue.Explain(cause.Refuse(f.Cause), page.Lang(r), cause.Holder).Title
		}
		d.Failures[i] = f
	}
	if one := s.running(j.Account, j.ID); one != nil {
		d.Left = one.left(&j.Progress, time.Now())
	}
	if id := j.Cause; id != "" {
		e := s.options.Catalogue.Here(page.Zone(r, ""), s.options.Store.Now()).Explain(cause.Refuse(id, s.params(&j)...), page.Lang(r), cause.Holder)
		d.Refusal = &answer.Refusal{Cause: id, Title: e.Title, Text: e.Text, Action: e.NextStep}
		if p := s.options.Table.ByHost(j.Host); p != nil && strings.HasPrefix(string(id), "auth.") {
			d.AppPasswordURL = p.AppPasswordURL
		}
	}
	return d
}

// params are what a job knows for the texts of its cause; Explain leaves out what a cause has no place for.
func (s *Server) params(j *store.Job) (params []cause.Param) {
	if j.Cause == cause.FileNotMail || j.Cause == cause.FileDamaged || j.Cause == cause.FileGone {
		return []cause.Param{cause.Text("name", j.Name)}
	}
	return nil
}

// list answers GET /api/jobs.
func (s *Server) list(w http.ResponseWriter, r *http.Request, a *store.Account) {
	all, err := s.options.Store.Jobs(r.Context(), a.ID)
	if err != nil {
		s.answer.Failed(w, r, err)
		return
	}
	told := []Job{}
	for _, j := range all {
		if one := s.running(a.ID, j.ID); one != nil {
			j = one.now()
		}
		told = append(told, s.describe(r, j))
	}
	s.answer.JSON(w, map[string][]Job{"jobs": told})
}

// show answers GET /api/jobs/{id}.
func (s *Server) show(w http.ResponseWriter, r *http.Request, a *store.Account) {
	j, err := s.job(r.Context(), a.ID, r.PathValue("id"))
	if err != nil {
		s.failed(w, r, err, cause.FileGone)
		return
	}
	s.answer.JSON(w, s.describe(r, j))
}

// cancel answers DELETE /api/jobs/{id}: one that runs ends, and what it did stays; one that ended is forgotten.
func (s *Server) cancel(w http.ResponseWriter, r *http.Request, a *store.Account) {
	id := r.PathValue("id")
	if one := s.running(a.ID, id); one != nil {
		one.cancel(errCancelled)
		select {
		case <-one.done:
		case <-r.Context().Done():
			return
		}
	} else if err := s.options.Store.DeleteJob(r.Context(), a.ID, id); err != nil {
		s.answer.Failed(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// events answers GET /api/jobs/{id}/events with events "job" (text/event-stream), whose data are as those of
// GET /api/jobs/{id}, until the job has ended.
func (s *Server) events(w http.ResponseWriter, r *http.Request, a *store.Account) {
	id := r.PathValue("id")
	j, err := s.job(r.Context(), a.ID, id)
	if err != nil {
		s.failed(w, r, err, cause.FileGone)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	out := netserve.Patiently(w, patience)
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	var last string
	for quiet := 0; ; quiet++ {
		text, err := json.Marshal(s.describe(r, j))
		if err != nil {
			s.options.Log.Error("move: job not told", "error", err)
			return
		}
		switch {
		case string(text) != last:
			last, quiet = string(text), 0
			_, err = fmt.Fprintf(out, "event: job\ndata: %s\n\n", text)
		case quiet%50 == 49:
			_, err = fmt.Fprint(out, ": still here\n\n")
		}
		if err == nil {
			err = http.NewResponseController(out).Flush()
		}
		if err != nil || j.State != store.JobRunning {
			return
		}
		var done <-chan struct{}
		if one := s.running(a.ID, id); one != nil {
			done = one.done
		}
		select {
		case <-r.Context().Done():
			return
		case <-done:
		case <-tick.C:
		}
		if j, err = s.job(r.Context(), a.ID, id); err != nil {
			return
		}
	}
}
