"""What small tools do: text, digests, archives, many small files below /job."""
import hashlib
import json
import os
import re
import zipfile

TOP = '/job/notes'
os.makedirs(TOP, exist_ok=True)
for i in range(1000):
    with open(f'{TOP}/{i:04}.json', 'w') as f:
        json.dump({'n': i, 'text': f'note {i} of {i % 7} words', 'tags': ['a', 'b'] * (i % 3)}, f)

total, words, digest = 0, 0, hashlib.sha256()
for name in sorted(os.listdir(TOP)):
    with open(f'{TOP}/{name}', 'rb') as f:
        data = f.read()
    digest.update(data)
    note = json.loads(data)
    total += note['n']
    words += int(re.search(r'of (\d+) words', note['text'])[1])

with zipfile.ZipFile('/job/notes.zip', 'w', zipfile.ZIP_DEFLATED) as z:
    for name in sorted(os.listdir(TOP))[:100]:
        z.write(f'{TOP}/{name}', name)
with zipfile.ZipFile('/job/notes.zip') as z:
    bad, kept = z.testzip(), len(z.namelist())

for name in os.listdir(TOP):
    os.rename(f'{TOP}/{name}', f'{TOP}/{name}.done')
left = sorted(os.listdir(TOP))
for name in left:
    os.unlink(f'{TOP}/{name}')
os.rmdir(TOP)
print(json.dumps({'files': len(left), 'total': total, 'words': words, 'bad': bad, 'kept': kept,
                  'sha256': digest.hexdigest()}))
