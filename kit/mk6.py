from labels.scenes.splits import draw_image, make_scene
from labels.scenes.draws import SCENES_V3
from PIL import Image
import shutil
shutil.copy("/tmp/newcomer/0.png","/tmp/newcomer6/0.png")
for n in range(1,10):
    i=93000+n
    s=make_scene("router-train",i,0,SCENES_V3)
    im=draw_image(s,"router-train",i,0,SCENES_V3); im.save(f"/tmp/newcomer6/{n}.png")
    print(n,s.kind,len(s.items))
for n in range(10):
    im=Image.open(f"/tmp/newcomer6/{n}.png"); im.resize((768,768),Image.LANCZOS).save(f"/tmp/newcomer6/large{n}.png")
