"""Grants say what exists: an empty tmpfs of the size that was named, a directory's
images and nothing else of it, secrets, how fine clocks are, whether there is random."""
import json
import os
import shutil
import subprocess
import unittest

from wasmd import BUILD, TENANT_UID, Daemon, guest


class Grants(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon().start()
        for name in ('put', 'walk', 'fs', 'secret', 'clocks'):
            cls.d.ctl('module', 'load', guest(name), '--name', name, check=0)

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)

    def run_with(self, doc, *args, check=None):
        return self.d.ctl('run', '--rm', '--policy', self.d.policy(args=True, **doc), *args,
                          check=check)

    # ---- tmpfs -------------------------------------------------------------

    def tmpfs(self, size, *args, **more):
        return self.run_with({'mounts': [{'tmpfs': size, 'guest': '/tmp', **more}]}, *args)

    def test_tmpfs_is_written_and_read_back(self):
        r = self.tmpfs('1MiB', 'put', '/tmp/a')
        self.assertEqual((r.returncode, r.out), (0, 'same\n'), r.err)

    def test_tmpfs_is_fresh_and_nothing_stays_on_the_host(self):
        before = sorted(self.d.data.rglob('*'))
        self.tmpfs('1MiB', 'put', '/tmp/a')
        r = self.tmpfs('1MiB', 'walk', '/tmp')
        self.assertEqual((r.returncode, r.out), (0, ''), r.err)
        self.assertEqual(sorted(self.d.data.rglob('*')), before)
        self.assertNotIn('abcdefghijklmnopqrstuvwxyzabcdef', self.everything_kept())

    def everything_kept(self):
        return ''.join(p.read_text(errors='replace') for p in self.d.state.rglob('*')
                       if p.is_file())

    def test_tmpfs_is_full_at_its_size(self):
        r = self.tmpfs('64KiB', 'put', '/tmp/a')
        self.assertEqual(r.returncode, 1, r.out)
        self.assertIn('put: No space left on device', r.err)

    def test_tmpfs_that_is_only_read(self):
        r = self.tmpfs('64KiB', 'put', '/tmp/a', access='ro')
        self.assertEqual(r.returncode, 1, r.out)
        self.assertRegex(r.err, 'put: .*(Capabilities insufficient|Read-only file system)')

    def test_tmpfs_beside_a_directory(self):
        (self.d.data / 'in.txt').write_text('x')
        r = self.run_with({'mounts': [{'host': str(self.d.data), 'guest': '/in'},
                                      {'tmpfs': '64KiB', 'guest': '/tmp'}]},
                          'walk', '/in', '/tmp', check=0)
        self.assertIn('f 1 /in/in.txt', r.out)

    # ---- many --------------------------------------------------------------

    def test_as_many_as_there_may_be(self):
        mounts = []
        for n in range(32):
            where = self.d.data / f'many{n}'
            where.mkdir(exist_ok=True)
            (where / f'f{n}').write_text('x')
            mounts.append({'host': str(where), 'guest': f'/m{n}', 'access': 'ro'})
        for _ in range(3):
            r = self.run_with({'mounts': mounts}, 'walk', *(m['guest'] for m in mounts), check=0)
            self.assertEqual(sorted(line.split(' ')[-1] for line in r.out.splitlines()),
                             sorted(f'/m{n}/f{n}' for n in range(32)))

    # ---- only --------------------------------------------------------------

    def pictures(self):
        """A fresh tree; what it holds besides images must not exist."""
        root = self.d.data / 'pictures'
        shutil.rmtree(root, ignore_errors=True)
        for name in ('a.png', 'notes.txt', 'sub/c.jpg', 'sub/d.txt', 'sub/deep/e.png',
                     'texts/f.txt'):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text('x')
        (root / 'shown.png').symlink_to('sub/c.jpg')
        (root / 'trick.png').symlink_to('notes.txt')
        (root / 'alias').symlink_to('a.png')
        (root / 'up.png').symlink_to('texts/../notes.txt')
        if os.getuid() == 0:
            for p in [root, *root.rglob('*')]:
                os.lchown(p, TENANT_UID, TENANT_UID)
        return root

    def only(self, globs, *args, access='rw'):
        root = self.pictures()
        return root, self.run_with({'mounts': [{'host': str(root), 'guest': '/in', 'only': globs,
                                                'access': access}]}, *args)

    IMAGES = ['**/*.{png,jpg}']

    def test_only_images_are_listed(self):
        _, r = self.only(self.IMAGES, 'walk', '/in')
        self.assertEqual(r.returncode, 0, r.err)
        self.assertEqual(sorted(line.split(' ')[-1] for line in r.out.splitlines()), sorted(
            ['/in/a.png', '/in/shown.png', '/in/trick.png', '/in/up.png', '/in/sub',
             '/in/sub/c.jpg', '/in/sub/deep', '/in/sub/deep/e.png', '/in/texts']))

    def test_directories_off_the_way_do_not_exist(self):
        _, r = self.only(['sub/*.jpg', 'a.*'], 'walk', '/in')
        self.assertEqual(sorted(line.split(' ')[-1] for line in r.out.splitlines()),
                         ['/in/a.png', '/in/sub', '/in/sub/c.jpg'])
        _, r = self.only(['sub/*.jpg'], 'fs', 'stat', '/in/texts', 'stat', '/in/texts/f.txt',
                         'stat', '/in/texts/../sub/c.jpg', 'stat', '/in/sub/../sub/c.jpg')
        self.assertEqual(r.out.split(','), ['noent', 'noent', 'noent', 'ok', '\n'], r.err)

    def test_what_is_hidden_is_absent_for_every_call(self):
        root, r = self.only(
            self.IMAGES, 'fs', 'stat', '/in/notes.txt', 'open', '/in/notes.txt',
            'create', '/in/notes.txt', 'unlink', '/in/notes.txt', 'rename', '/in/notes.txt',
            '/in/n.png', 'link', '/in/notes.txt', '/in/n.png', 'stat', '/in/notes.txt/x',
            'stat', '/in/nothing.txt/x', 'stat', '/in/trick.png', 'stat', '/in/up.png',
            'stat', '/in/alias', 'readlink', '/in/alias', 'open', '/in/trick.png')
        self.assertEqual(r.out, 'noent,' * 13 + '\n', r.err)
        self.assertEqual((root / 'notes.txt').read_text(), 'x')

    def test_nothing_hidden_is_made_and_what_is_shown_works(self):
        root, r = self.only(
            self.IMAGES, 'fs', 'create', '/in/new.txt', 'rename', '/in/a.png', '/in/a.txt',
            'link', '/in/a.png', '/in/a.txt', 'symlink', 'a.png', '/in/a.txt',
            'rename', '/in/a.png', '/in/notes.txt')
        self.assertEqual(r.out, 'noent,' * 5 + '\n', r.err)
        root, r = self.only(
            self.IMAGES, 'fs', 'stat', '/in/a.png', 'open', '/in/shown.png', 'create',
            '/in/sub/new.png', 'rename', '/in/a.png', '/in/sub/b.png', 'link', '/in/sub/b.png',
            '/in/g.jpg', 'mkdir', '/in/dir', 'create', '/in/dir/h.png', 'unlink', '/in/g.jpg',
            'readlink', '/in/trick.png')
        self.assertEqual(r.out, 'ok,' * 9 + '\n', r.err)
        self.assertTrue((root / 'dir/h.png').exists() and (root / 'sub/b.png').exists())

    def test_a_renamed_directory_would_uncover(self):
        root, r = self.only(['**/*.png', 'open/**'], 'fs', 'mkdir', '/in/open', 'rename',
                            '/in/texts', '/in/open/texts')
        self.assertEqual(r.out, 'ok,acces,\n', r.err)
        self.assertTrue((root / 'texts/f.txt').exists())

    # ---- secrets -----------------------------------------------------------

    VALUE = 'correct-horse-battery-staple-7731'

    def keep_secret(self, name, text, mode=0o600, tenant='alice'):
        path = self.d.state / 'secrets' / tenant / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        for p in (path, path.parent, path.parent.parent):
            st = self.d.state.stat()
            os.chown(p, st.st_uid, st.st_gid)
        return path

    def tenant_name(self):
        return json.loads(self.d.ctl('module', 'inspect', 'secret', '-o', 'json',
                                     check=0).out)['tenant']

    def test_a_secret_reaches_the_guest_and_nothing_else(self):
        self.keep_secret('thumb-key', self.VALUE + '\n', tenant=self.tenant_name())
        doc = {'args': True, 'env': {'secret': {'STATUS': 'thumb-key', 'KEY': 'thumb-key'}}}
        p = self.d.policy('s.json', **doc)
        self.d.ctl('run', '-d', '--name', 'keyed', '--policy', p, 'secret', check=0)
        self.d.ctl('wait', 'keyed')
        # the guest printed how long the value is and its sum, not the value
        out = self.d.ctl('logs', 'keyed', check=0).out
        self.assertEqual(out, f'{len(self.VALUE)} {sum(self.VALUE.encode())}\n')
        said = [self.d.ctl('inspect', 'keyed', '-o', 'json', check=0).out, self.d.logged()]
        for path in ('/v1/instances', '/v1/instances/keyed', '/v1/info', '/v1/modules',
                     '/v1/instances/keyed/logs'):
            said.append(self.d.http('GET', path, raw=True)[1].decode(errors='replace'))
        for f in self.d.state.rglob('*'):
            if f.is_file() and 'secrets' not in f.parts:
                said.append(f.read_bytes().decode(errors='replace'))
        self.assertFalse([s for s in said if self.VALUE in s])
        self.assertTrue(any('thumb-key' in s for s in said))
        self.d.ctl('rm', 'keyed', check=0)

    def test_a_secret_that_is_not_there_or_not_secret(self):
        doc = {'env': {'secret': {'KEY': 'no-such-key'}}}
        r = self.run_with(doc, 'secret')
        self.assertNotEqual(r.returncode, 0)
        self.assertIn('the secret "no-such-key" for KEY: No such file or directory', r.err)
        self.keep_secret('open-key', self.VALUE, 0o644, self.tenant_name())
        r = self.run_with({'env': {'secret': {'KEY': 'open-key'}}}, 'secret')
        self.assertNotEqual(r.returncode, 0)
        self.assertIn('only its owner reads', r.err)
        self.assertNotIn(self.VALUE, r.err + r.out + self.d.logged())

    def test_a_secret_of_another_tenant_is_not_found(self):
        self.keep_secret('bobs-key', self.VALUE, tenant='bob')
        r = self.run_with({'env': {'secret': {'KEY': 'bobs-key'}}}, 'secret')
        self.assertIn('No such file or directory', r.err)

    def flagged(self, *flags, status=0):
        return self.d.ctl('run', '--rm', *flags, 'secret', check=status)

    def says(self, value):
        return f'{len(value)} {sum(value.encode())}\n'

    def test_secret_flag(self):
        tenant = self.tenant_name()
        path = self.keep_secret('flag-key', self.VALUE + '\n', tenant=tenant)
        r = self.flagged('--secret', 'KEY=flag-key', '--secret', 'OTHER=flag-key')
        self.assertEqual(r.out, self.says(self.VALUE))
        self.keep_secret('flag-key', 'another', tenant=tenant)  # read at each start
        self.assertEqual(self.flagged('--secret', 'KEY=flag-key').out, self.says('another'))
        i = self.d.ctl('create', '--secret', 'KEY=flag-key', '--secret', 'B=flag-key', '--secret',
                       'C=absent-key', 'secret', check=0).out.strip()
        shown = self.d.http('GET', f'/v1/instances/{i}')[1]
        self.assertEqual(shown['secret_names'], ['flag-key', 'absent-key'])
        self.assertEqual(json.loads(self.d.ctl('inspect', i, check=0).out), shown)
        self.assertIn('"secret": {', self.d.ctl('run', '--print-policy', '--secret', 'KEY=flag-key',
                                                'secret', check=0).out)
        self.d.ctl('rm', i, check=0)
        path.unlink()

    def test_secrets_that_are_not_given(self):
        tenant = self.tenant_name()
        for text, word in (('KEY', 'VARIABLE=NAME'), ('=x', 'VARIABLE=NAME'), ('KEY=', 'VARIABLE=NAME'),
                           ('KEY=../alice/x', 'the name of a secret'), ('KEY=a/b', 'the name of a'),
                           ('KEY=.hidden', 'the name of a secret'), ('KEY=a b', 'the name of a secret')):
            r = self.flagged('--secret', text, status=125)
            self.assertIn('--secret', r.err)
            self.assertIn(word, r.err)
        link = self.keep_secret('real-key', self.VALUE, tenant=tenant).with_name('link-key')
        link.symlink_to('real-key')
        os.mkfifo(link.with_name('fifo-key'), 0o600)
        self.keep_secret('zero-key', 'a\0b', tenant=tenant)
        self.keep_secret('large-key', 'x' * (65536 + 1), tenant=tenant)
        for name, word, status in (('no-key', 'No such file', 127), ('link-key', 'symbolic links', 125),
                                   ('fifo-key', 'only its owner reads', 125),
                                   ('zero-key', 'a zero byte', 125), ('large-key', '64 KiB', 126)):
            if os.getuid() == 0:
                st = self.d.state.stat()
                if link.with_name(name).exists():
                    os.chown(link.with_name(name), st.st_uid, st.st_gid, follow_symlinks=False)
            r = self.flagged('--secret', f'KEY={name}', status=status)
            self.assertIn(f'the secret "{name}" for KEY', r.err)
            self.assertIn(word, r.err)
            self.assertNotIn(self.VALUE, r.err)
        if os.getuid() == 0:  # kept by root for itself: the front is another user
            p = self.keep_secret('roots-key', self.VALUE, tenant=tenant)
            os.chown(p, 0, 0)
            r = self.flagged('--secret', 'KEY=roots-key', status=125)
            self.assertIn('the secret "roots-key" for KEY: Permission denied', r.err)
            self.assertIn('owned as that directory is', r.err)
        for p in link.parent.iterdir():
            p.unlink()

    def test_variables_that_pass(self):
        env = dict(os.environ, WASMD_SOCKET=str(self.d.socket), KEY='from the caller')
        r = subprocess.run([BUILD / 'ctl/wasmctl', 'run', '--rm', '-e', 'KEY', 'secret'], env=env,
                           capture_output=True, text=True)
        self.assertEqual(r.stdout, self.says('from the caller'), r.stderr)
        del env['KEY']
        r = subprocess.run([BUILD / 'ctl/wasmctl', 'run', '--rm', '-e', 'KEY', 'secret'], env=env,
                           capture_output=True, text=True)
        self.assertNotIn('from the caller', r.stdout)
        self.keep_secret('pass-key', self.VALUE, tenant=self.tenant_name())
        # of two variables of one name the secret is what the guest sees
        p = self.d.policy('pass.json', env={'pass': ['KEY'], 'secret': {'KEY': 'pass-key'}})
        r = subprocess.run([BUILD / 'ctl/wasmctl', 'run', '--rm', '--policy', p, 'secret'],
                           env=dict(env, KEY='overrides'), capture_output=True, text=True)
        self.assertEqual(r.stdout, self.says(self.VALUE), r.stderr)

    # ---- clocks and random -------------------------------------------------

    def clocks(self, **doc):
        r = self.run_with(doc, 'clocks', check=0)
        return dict(line.split(' ', 1) for line in r.out.splitlines())

    def test_clocks_are_coarsened(self):
        for text, ns in (('100ms', 100_000_000), ('3us', 3000)):
            said = self.clocks(clock={'resolution': text})
            for clock in ('realtime', 'monotonic'):
                res, *times = map(int, said[clock].split())
                self.assertEqual(res, ns)
                self.assertEqual([t % ns for t in times], [0] * len(times))
        said = self.clocks()
        for clock in ('realtime', 'monotonic'):
            res, *times = map(int, said[clock].split())
            self.assertLess(res, 100_000_000)
            self.assertTrue(any(t % 1000 for t in times), said)

    def test_random_is_off_unless_granted(self):
        self.assertEqual(self.clocks(random=True)['random'], 'ok')
        self.assertEqual(self.clocks(random=False)['random'], 'Function not implemented')
        self.assertEqual(self.clocks()['random'], 'Function not implemented')


if __name__ == '__main__':
    unittest.main(verbosity=2)
