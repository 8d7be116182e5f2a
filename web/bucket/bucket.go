// Package bucket is a place for the files of a site in an object store that speaks
// the S3 protocol.
//
// A Bucket remembers what is in the store: from one listing, when everything is
// compared (Look), and from what it has put since. So it puts an object only where
// its bytes are others, and a change costs no listing and no question. A listing
// tells bytes by the entity tag, which is their MD5 for what was put in one piece.
// Where a store has other tags (as with keys of its own to encrypt by), the hash that
// each object carries is asked for instead.
//
// What came of a request that failed is not known. Such an object counts as one that
// is there with bytes that nobody wants, so that it is put, or removed, again.
package bucket

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"tocsin/web"
)

// Options say where a Bucket is.
type Options struct {
	Name string
	// Prefix begins the keys of all objects, without slashes at its ends; empty: none.
	Prefix string
	// Endpoint is the store's address, http or https; empty: Amazon's.
	Endpoint string
	// Region is the bucket's; empty: the store is asked.
	Region string
	// AccessKeyID and SecretAccessKey are the credentials. Empty: those of the
	// environment, of the shared file, and at Amazon those of the machine.
	AccessKeyID, SecretAccessKey string
	// Did, if not nil, is called after every request with what it was for and what
	// came of it. It must not wait.
	Did func(op Op, err error)
}

// Op is what a request to the store is for.
type Op string

// The requests there are.
const (
	List   Op = "list" // one for each thousand objects
	Put    Op = "put"
	Head   Op = "head"
	Remove Op = "remove"
)

// Ops returns all of them.
func Ops() []Op { return []Op{List, Put, Head, Remove} }

// Bucket is a [web.Place].
type Bucket struct {
	o      Options
	client *minio.Client
	creds  *credentials.Credentials

	mu      sync.Mutex
	objects map[string]object   // by name below the prefix
	listed  map[string][]string // by folder the names that the last listing had, but not of pages
}

// object is what is known of one.
type object struct {
	tag      digest // the store's entity tag
	body     digest // MD5 of its bytes; zero where that is not known
	size     int64  // as listed; failed where a request failed
	modified int64  // web.File.Modified of what was put, in ns; 0: none, or not known
}

type digest [md5.Size]byte

// failed is the size of what a failed request may have left.
const failed = -1

// Bounds of requests.
const (
	parallel  = 16
	tries     = 3                // of one request, within its limit
	limit     = time.Minute      // of one request
	listLimit = 10 * time.Minute // of a whole listing
	iamLimit  = 10 * time.Second // of a question for the machine's credentials
)

// hashName is the user metadata that holds the SHA-256 of an object's bytes.
const hashName = "Sha256"

// New returns a bucket. It does no I/O.
func New(o Options) (*Bucket, error) {
	if o.Did == nil {
		o.Did = func(Op, error) {}
	}
	b := &Bucket{o: o, objects: make(map[string]object)}
	host, secure := "s3.amazonaws.com", true
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		if err != nil {
			return nil, fmt.Errorf("%s: the endpoint: %w", b, err)
		}
		host, secure = u.Host, u.Scheme == "https"
	}
	if o.AccessKeyID != "" {
		b.creds = credentials.NewStaticV4(o.AccessKeyID, o.SecretAccessKey, "")
	} else {
		chain := []credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}}
		if o.Endpoint == "" {
			chain = append(chain, &credentials.IAM{Client: &http.Client{Timeout: iamLimit}})
		}
		b.creds = credentials.NewChainCredentials(chain)
	}
	var err error
	b.client, err = minio.New(host, &minio.Options{Creds: b.creds, Secure: secure, Region: o.Region, MaxRetries: tries})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b, err)
	}
	return b, nil
}

// String returns s3://NAME/PREFIX.
func (b *Bucket) String() string { return strings.TrimSuffix("s3://"+b.o.Name+"/"+b.o.Prefix, "/") }

// key is where the object of a name is; of "", what all begin with.
func (b *Bucket) key(name string) string { return strings.TrimPrefix(b.o.Prefix+"/", "/") + name }

// Parallel implements web.Place.
func (b *Bucket) Parallel() int { return parallel }

// Answers says why the store does not let the bucket be listed; nil where it does.
func (b *Bucket) Answers(ctx context.Context) error {
	return b.request(ctx, List, limit, func(ctx context.Context) error {
		for o := range b.client.ListObjectsIter(ctx, b.o.Name, minio.ListObjectsOptions{Prefix: b.key(""), Recursive: true, MaxKeys: 1}) {
			return o.Err
		}
		return ctx.Err()
	})
}

// Look implements web.Place.
func (b *Bucket) Look(ctx context.Context) error {
	_, err := b.Same(ctx)
	return err
}

// Same lists what there is, and says whether that is what was put.
func (b *Bucket) Same(ctx context.Context) (bool, error) {
	listed, folders := make(map[string]object), make(map[string][]string)
	prefix := b.key("")
	err := b.request(ctx, List, listLimit, func(ctx context.Context) error {
		for o := range b.client.ListObjectsIter(ctx, b.o.Name, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
			if o.Err != nil {
				return o.Err
			}
			name := strings.TrimPrefix(o.Key, prefix)
			if !ours(name) {
				continue
			}
			listed[name] = object{tag: tagOf(o.ETag), size: o.Size}
			if dir, base := path.Split(name); dir == "" || strings.HasPrefix(dir, "feeds/") {
				dir = strings.TrimSuffix(dir, "/")
				folders[dir] = append(folders[dir], base)
			}
		}
		return ctx.Err() // the listing just ends then
	})
	if err != nil {
		return false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	same := len(listed) == len(b.objects)
	for name, is := range listed {
		was, ok := b.objects[name]
		if ok && was.size == is.size && was.tag == is.tag && was.body != (digest{}) {
			listed[name] = was
		} else {
			same = false
		}
	}
	b.objects, b.listed = listed, folders
	return same, nil
}

// ours says that an object may be a site's: others may share the bucket.
func ours(name string) bool {
	top, _, below := strings.Cut(name, "/")
	switch top {
	case "feeds", "tags", "actors", "events", "find", "build":
		return below
	}
	return !below
}

// tagOf makes a digest of an entity tag.
func tagOf(etag string) digest {
	etag = strings.Trim(etag, `"`)
	var d digest
	if n, err := hex.Decode(d[:], []byte(etag)); err == nil && n == len(d) && len(etag) == 2*len(d) {
		return d
	}
	return md5.Sum([]byte("tag " + etag)) // of several parts, which is no MD5
}

// Has implements web.Place.
func (b *Bucket) Has(name string, modified time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.objects[name]
	return ok && o.size != failed && (modified.IsZero() || o.body != (digest{}) && o.modified == modified.UnixNano())
}

// Names implements web.Place.
func (b *Bucket) Names(folder string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.listed[folder]
}

// Put implements web.Place. The object carries the hash of its bytes.
func (b *Bucket) Put(ctx context.Context, f web.File) error {
	sum, hash := digest(md5.Sum(f.Body)), sha256.Sum256(f.Body)
	is := object{tag: sum, body: sum, size: int64(len(f.Body))}
	if !f.Modified.IsZero() {
		is.modified = f.Modified.UnixNano()
	}
	was, there := b.get(f.Name)
	if there && was.body == (digest{}) && was.tag != sum && was.size == is.size {
		// It may be this under another tag. Where that cannot be said it is put.
		_ = b.request(ctx, Head, limit, func(ctx context.Context) error {
			o, err := b.client.StatObject(ctx, b.o.Name, b.key(f.Name), minio.StatObjectOptions{})
			if err == nil && o.UserMetadata[hashName] == hex.EncodeToString(hash[:]) {
				was.body = sum
			}
			return err
		})
	}
	if there && was.size == is.size && (was.body == sum || was.body == (digest{}) && was.tag == sum) {
		is.tag = was.tag
		b.set(f.Name, is)
		return nil
	}
	err := b.request(ctx, Put, limit, func(ctx context.Context) error {
		o, err := b.client.PutObject(ctx, b.o.Name, b.key(f.Name), bytes.NewReader(f.Body), is.size, minio.PutObjectOptions{
			ContentType: f.MediaType, CacheControl: f.CacheControl, UserMetadata: map[string]string{hashName: hex.EncodeToString(hash[:])},
			SendContentMd5:   true, // the store refuses what arrives as other bytes
			DisableMultipart: true, // else the tag is no MD5
		})
		is.tag = tagOf(o.ETag)
		return err
	})
	if err != nil {
		is = object{size: failed}
	}
	b.set(f.Name, is)
	return err
}

// Remove implements web.Place.
func (b *Bucket) Remove(ctx context.Context, name string) error {
	if _, there := b.get(name); !there {
		return nil
	}
	err := b.request(ctx, Remove, limit, func(ctx context.Context) error {
		return b.client.RemoveObject(ctx, b.o.Name, b.key(name), minio.RemoveObjectOptions{})
	})
	if err != nil {
		b.set(name, object{size: failed})
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.objects, name)
	return nil
}

func (b *Bucket) get(name string) (o object, there bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, there = b.objects[name]
	return o, there
}

func (b *Bucket) set(name string, o object) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.objects[name] = o
}

// request does one request, within a limit. Its error holds nothing secret.
func (b *Bucket) request(ctx context.Context, op Op, limit time.Duration, do func(context.Context) error) error {
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	v, err := b.creds.GetWithContext(b.client.CredContext())
	switch {
	case err != nil:
	case v.AccessKeyID == "":
		err = errors.New("no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write feeds.s3 into the configuration")
	default:
		err = do(within)
	}
	if err == nil {
		b.o.Did(op, nil)
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	// What a store answers may hold what it was sent.
	text := explain(err, limit)
	for _, secret := range []string{v.SecretAccessKey, v.SessionToken, v.AccessKeyID} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[redacted]")
		}
	}
	err = fmt.Errorf("%s: %s: %s", b, op, text)
	b.o.Did(op, err)
	return err
}

// explain says what is wrong, and what to do.
func explain(err error, limit time.Duration) string {
	var answer minio.ErrorResponse
	var asked *url.Error
	switch {
	case errors.As(err, &answer) && answer.Code != "":
		text := answer.Code
		if answer.Message != "" && answer.Message != text {
			text += ": " + strings.TrimSuffix(answer.Message, ".")
		}
		hint := map[string]string{
			"NoSuchBucket":          "make the bucket, or correct its name or endpoint",
			"AccessDenied":          "let the key list the bucket, and put and delete objects (s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject)",
			"InvalidAccessKeyId":    "correct the credentials",
			"SignatureDoesNotMatch": "correct the credentials",
			"RequestTimeTooSkewed":  "put the machine's clock right",
		}[answer.Code]
		if hint != "" {
			text += "; " + hint
		}
		return text
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %v", limit)
	case errors.As(err, &asked):
		return asked.Err.Error()
	}
	return err.Error()
}
